use std::str;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use tonic::Status;

/// Unknown fields and enum names are skipped, as connect-go and connect-es do, so that a newer client can
/// call an older replica.
const REQUEST: DeserializeOptions = DeserializeOptions::new().deny_unknown_fields(false);

/// lowerCamelCase names, 64-bit integers as strings, default values left out.
const ANSWER: SerializeOptions = SerializeOptions::new();

/// Turns a JSON request into protobuf, appended to `out`.
pub(super) fn to_protobuf(
    json: &[u8],
    descriptor: &MessageDescriptor,
    out: &mut BytesMut,
) -> Result<(), Status> {
    let name = descriptor.full_name();
    if json.is_empty() {
        return Err(Status::invalid_argument(format!(
            "the body is empty, which is no JSON object of {name}; send at least {{}}"
        )));
    }
    if let Err(error) = str::from_utf8(json) {
        return Err(Status::invalid_argument(format!(
            "the body is not UTF-8: bad byte at offset {}; JSON must be UTF-8",
            error.valid_up_to()
        )));
    }
    let invalid = |error: serde_json::Error| {
        Status::invalid_argument(format!("the body is no JSON object of {name}: {error}"))
    };
    let mut source = serde_json::Deserializer::from_slice(json);
    let message =
        DynamicMessage::deserialize_with_options(descriptor.clone(), &mut source, &REQUEST)
            .map_err(invalid)?;
    source.end().map_err(invalid)?;
    out.reserve(message.encoded_len());
    message.encode(out).map_err(|error| Status::internal(format!("cannot encode {name}: {error}")))
}

/// Turns a protobuf answer into JSON.
pub(in crate::api) fn from_protobuf(
    message: Bytes,
    descriptor: &MessageDescriptor,
) -> Result<Bytes, Status> {
    let name = descriptor.full_name();
    let mut out = BytesMut::with_capacity(message.len().saturating_mul(2)).writer();
    let message = DynamicMessage::decode(descriptor.clone(), message)
        .map_err(|error| Status::internal(format!("the answer is no {name}: {error}")))?;
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut out), &ANSWER)
        .map_err(|error| Status::internal(format!("cannot write {name} as JSON: {error}")))?;
    Ok(out.into_inner().freeze())
}

/// Whether `message` can be read at all; a handler's own failure says nothing about that.
pub(super) fn is_protobuf(message: Bytes, descriptor: &MessageDescriptor) -> bool {
    DynamicMessage::decode(descriptor.clone(), message).is_ok()
}

#[cfg(test)]
mod tests {
    use navarch_proto::api;
    use prost_reflect::DescriptorPool;

    use super::*;

    fn descriptor(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(navarch_proto::DESCRIPTORS).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    fn heartbeat(json: &[u8]) -> Result<api::HeartbeatRequest, Status> {
        let mut out = BytesMut::new();
        to_protobuf(json, &descriptor("navarch.HeartbeatRequest"), &mut out)?;
        Ok(api::HeartbeatRequest::decode(out.freeze()).unwrap())
    }

    /// Without it requests of scripts written in either case, or by newer clients, would be refused.
    #[test]
    fn requests_are_read_in_either_case_and_unknown_fields_skipped() {
        for json in [
            r#"{"nodeId":"n","metrics":{"gpuMetrics":[{"gpuIndex":1,"memoryUsed":"42"}]}}"#,
            r#"{"node_id":"n","metrics":{"gpu_metrics":[{"gpu_index":1,"memory_used":42}]},"new":{"a":[1]}}"#,
        ] {
            let request = heartbeat(json.as_bytes()).unwrap();
            assert_eq!(request.node_id, "n", "{json}");
            let gpu = &request.metrics.unwrap().gpu_metrics[0];
            assert_eq!((gpu.gpu_index, gpu.memory_used), (1, 42), "{json}");
        }
    }

    /// Without it a caller of a malformed request would not learn where it is wrong.
    #[test]
    fn bad_json_is_named() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "empty"),
            (b"{", "line 1 column 1"),
            (b"[]", "navarch.HeartbeatRequest"),
            (b"{} {}", "trailing"),
            (b"{\"nodeId\":7}", "string"),
            (b"{\"nodeId\":\"\xff\"}", "offset 11"),
            (b"{\"timestamp\":\"yesterday\"}", "line 1"),
        ];
        for (json, part) in cases {
            let status = heartbeat(json).unwrap_err();
            let text = String::from_utf8_lossy(json);
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{text}");
            assert!(status.message().contains(part), "{text}: {status}");
        }
    }

    /// Without it `curl` users would see another JSON than the original's.
    #[test]
    fn answers_follow_the_json_mapping() {
        let node = api::NodeInfo {
            node_id: "n".to_owned(),
            status: api::NodeStatus::Active.into(),
            revision: 7,
            registered_at: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            ..Default::default()
        };
        let json = from_protobuf(node.encode_to_vec().into(), &descriptor("navarch.NodeInfo"));
        assert_eq!(
            json.unwrap(),
            r#"{"nodeId":"n","status":"NODE_STATUS_ACTIVE","revision":"7","registeredAt":"1970-01-01T00:00:01.500Z"}"#
        );
    }
}
