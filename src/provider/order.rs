use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ProviderError;

/// What is to be rented, as it is written into the body of the purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSpec {
    /// The machine's name; ours is the `InstanceId`, so that it can be found by name too.
    #[serde(default)]
    pub name: String,
    /// The provider's own name of the type.
    pub instance_type: String,
    /// Empty: wherever the provider likes.
    #[serde(default)]
    pub region: String,
    /// Empty: wherever in the region the provider likes.
    #[serde(default)]
    pub zone: String,
    /// Names of SSH keys that the provider knows.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// Tags, [`super::labels`] among them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the machine runs at its first boot.
    #[serde(default)]
    pub user_data: String,
}

impl OrderSpec {
    /// The body that the provider is asked with. Made once: it enters the log before the call, and every
    /// later attempt sends the bytes from the log, whatever a newer version would have written.
    pub fn request_body(&self) -> Bytes {
        // Strings, lists and maps with string keys always serialise; the empty body of the other case is
        // one that every provider refuses as invalid.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a body that [`OrderSpec::request_body`] made.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Invalid`] if it is not one.
    pub fn from_request_body(body: &[u8]) -> Result<Self, ProviderError> {
        serde_json::from_slice(body).map_err(|error| {
            ProviderError::Invalid(format!("the request body is not an order: {error}"))
        })
    }
}

/// One purchase, as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our `InstanceId`: the idempotency key.
    pub instance_id: String,
    /// The exact body, from [`OrderSpec::request_body`].
    pub request_body: Bytes,
}

impl Order {
    /// An order of `spec` under `instance_id`.
    pub fn new(instance_id: impl Into<String>, spec: &OrderSpec) -> Self {
        Self { instance_id: instance_id.into(), request_body: spec.request_body() }
    }

    /// What the body asks for.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Invalid`] if the body is not an order.
    pub fn spec(&self) -> Result<OrderSpec, ProviderError> {
        OrderSpec::from_request_body(&self.request_body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a renamed or reordered field would change the bytes of orders that are under way during an
    /// upgrade, and the provider would refuse them as another order under the same key.
    #[test]
    fn the_body_is_pinned_byte_for_byte() {
        let spec = OrderSpec {
            name: "i-1".into(),
            instance_type: "h100-8x".into(),
            region: "eu".into(),
            zone: "eu-a".into(),
            ssh_keys: vec!["ops".into()],
            labels: BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
            user_data: "#!/bin/sh\n".into(),
        };
        let body = spec.request_body();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r##"{"name":"i-1","instance_type":"h100-8x","region":"eu","zone":"eu-a","ssh_keys":["ops"],"labels":{"a":"1","b":"2"},"user_data":"#!/bin/sh\n"}"##
        );
        assert_eq!(OrderSpec::from_request_body(&body).unwrap(), spec);
    }
}
