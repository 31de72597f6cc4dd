use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::timestamp;

/// A rented machine, as its provider tells of it. Only `id` and `state` must be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The provider's own id (our `ProviderRef`).
    pub id: String,
    /// The name it was ordered under.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The `InstanceId` of the order that bought it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub idempotency_key: String,
    /// The provider's own name of the type.
    #[serde(default, deserialize_with = "null_as_default")]
    pub instance_type: String,
    /// Where it is.
    #[serde(default, deserialize_with = "null_as_default")]
    pub region: String,
    /// Where it is within the region.
    #[serde(default, deserialize_with = "null_as_default")]
    pub zone: String,
    /// Where it is in its life.
    pub state: MachineState,
    /// Its address; none before it runs.
    #[serde(default)]
    pub ip: Option<String>,
    /// Where SSH listens.
    #[serde(default)]
    pub ssh_port: Option<u16>,
    /// GPUs in it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub gpu_count: u32,
    /// The GPU's model.
    #[serde(default, deserialize_with = "null_as_default")]
    pub gpu_type: String,
    /// US dollars an hour; 0: not told.
    #[serde(default, deserialize_with = "null_as_default")]
    pub price_per_hour: f64,
    /// Its tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// When it was bought, in milliseconds since the Unix epoch by the provider's clock; RFC 3339 on the
    /// wire.
    #[serde(default, rename = "created_at", with = "timestamp::optional")]
    pub created_at_ms: Option<u64>,
    /// When it ended, in milliseconds since the Unix epoch by the provider's clock; RFC 3339 on the wire.
    #[serde(default, rename = "terminated_at", with = "timestamp::optional")]
    pub terminated_at_ms: Option<u64>,
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Where a machine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineState {
    /// Bought, not yet up.
    Provisioning,
    /// Up.
    Running,
    /// Given back, not yet gone.
    Terminating,
    /// Gone.
    Terminated,
}

impl MachineState {
    /// Whether the machine still counts as rented: not given back.
    pub fn is_live(self) -> bool {
        match self {
            Self::Provisioning | Self::Running => true,
            Self::Terminating | Self::Terminated => false,
        }
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a provider that leaves out what it does not know would be called broken.
    #[test]
    fn only_id_and_state_must_be_there() {
        let machine: Machine =
            serde_json::from_str(r#"{"id":"m","state":"running","zone":null,"new":1}"#).unwrap();
        assert_eq!((machine.zone.as_str(), machine.created_at_ms, machine.ip), ("", None, None));
        for broken in [
            r#"{"state":"running"}"#,
            r#"{"id":"m"}"#,
            r#"{"id":"m","state":"asleep"}"#,
            r#"{"id":"m","state":"running","created_at":"yesterday"}"#,
        ] {
            assert!(serde_json::from_str::<Machine>(broken).is_err(), "{broken}");
        }
    }

    /// Without it the times of a machine would come back changed.
    #[test]
    fn times_travel_as_rfc_3339() {
        let text = r#"{"id":"m","state":"terminated","created_at":"2026-01-02T03:04:05.678Z"}"#;
        let machine: Machine = serde_json::from_str(text).unwrap();
        let json = serde_json::to_value(&machine).unwrap();
        assert_eq!(json["created_at"], "2026-01-02T03:04:05.678Z");
        assert_eq!(json["terminated_at"], serde_json::Value::Null);
    }
}
