use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, ReflectMessage, SerializeOptions, Value as Field,
};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// The JSON of a protobuf message: field names and enum values as the `.proto` files spell them, 64-bit
/// numbers as numbers, times as RFC 3339. Every field is there: what is not set is `null`, empty or zero.
///
/// `full_name` is the message's name with its package, like `navarch.NodeInfo`.
pub(crate) fn message_value<M: Message>(full_name: &str, message: &M) -> Result<Value, Failure> {
    let wrong =
        |reason: String| Failure::refused(format!("cannot show a {full_name} as JSON: {reason}"));
    let descriptor = pool()
        .as_ref()
        .map_err(|reason| wrong(reason.clone()))?
        .get_message_by_name(full_name)
        .ok_or_else(|| wrong("this program does not know the message".to_owned()))?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|error| wrong(error.to_string()))?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut value = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| wrong(error.to_string()))?;
    fill_absent(&message, &mut value);
    Ok(value)
}

/// Reads a protobuf message from its JSON, as proto3 has it.
pub(crate) fn read_message<M: Message + Default>(
    full_name: &str,
    value: Value,
) -> Result<M, String> {
    let descriptor = pool()
        .as_ref()
        .map_err(Clone::clone)?
        .get_message_by_name(full_name)
        .ok_or_else(|| format!("this program does not know {full_name}"))?;
    let message =
        DynamicMessage::deserialize(descriptor, value).map_err(|error| error.to_string())?;
    M::decode(message.encode_to_vec().as_slice()).map_err(|error| error.to_string())
}

fn pool() -> &'static Result<DescriptorPool, String> {
    static POOL: OnceLock<Result<DescriptorPool, String>> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(navarch_proto::DESCRIPTORS).map_err(|error| error.to_string())
    })
}

/// Adds `null` for each field that can be absent and is, so that scripts find every name.
fn fill_absent(message: &DynamicMessage, value: &mut Value) {
    let Value::Object(object) = value else {
        // Well-known types such as timestamps are no objects in JSON.
        return;
    };
    for field in message.descriptor().fields() {
        if field.supports_presence() && !message.has_field(&field) {
            if field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic()) {
                object.insert(field.name().to_owned(), Value::Null);
            }
        } else if holds_messages(&field.kind()) {
            if let Some(inner) = object.get_mut(field.name()) {
                fill_field(&message.get_field(&field), inner);
            }
        } else if field.is_map() {
            fill_map(&message.get_field(&field), object, field.name());
        }
    }
}

fn holds_messages(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(descriptor) if !descriptor.is_map_entry())
}

fn fill_field(field: &Field, value: &mut Value) {
    match (field, value) {
        (Field::Message(message), value) => fill_absent(message, value),
        (Field::List(fields), Value::Array(values)) => {
            for (field, value) in fields.iter().zip(values) {
                fill_field(field, value);
            }
        }
        _ => {}
    }
}

fn fill_map(field: &Field, object: &mut Map<String, Value>, name: &str) {
    let (Field::Map(entries), Some(Value::Object(values))) = (field, object.get_mut(name)) else {
        return;
    };
    for (key, entry) in entries {
        if let MapKey::String(key) = key
            && let Some(value) = values.get_mut(key)
        {
            fill_field(entry, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api;
    use serde_json::json;

    use super::*;

    /// Without it scripts would meet other names or types than the contract promises.
    #[test]
    fn fields_enums_numbers_and_times_are_as_the_contract_says() {
        let replica =
            api::ReplicaInfo { id: 1 << 40, role: "leader".to_owned(), ..Default::default() };
        let value = message_value("navarch.ReplicaInfo", &replica).unwrap();
        assert_eq!(value["id"], json!(1_u64 << 40));
        assert_eq!(value["applied_index"], json!(0));
        assert_eq!(value["last_contact_ms"], Value::Null);
        let node = api::NodeInfo {
            node_id: "n-1".to_owned(),
            status: api::NodeStatus::Active.into(),
            last_heartbeat: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            gpus: vec![api::GpuInfo::default()],
            metadata: Some(api::NodeMetadata {
                labels: [("pool".to_owned(), "training".to_owned())].into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let value = message_value("navarch.NodeInfo", &node).unwrap();
        assert_eq!(value["status"], "NODE_STATUS_ACTIVE");
        assert_eq!(value["health_status"], "HEALTH_STATUS_UNKNOWN");
        assert_eq!(value["last_heartbeat"], "1970-01-01T00:00:01Z");
        assert_eq!(value["registered_at"], Value::Null);
        assert_eq!(value["gpus"][0]["memory_total"], json!(0));
        assert_eq!(value["metadata"]["labels"], json!({"pool": "training"}));
        assert_eq!(value["lost"], json!(false));
    }
}
