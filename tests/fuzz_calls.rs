//! Every unary call of the public port, with messages that no client of ours would send, against a replica as it is run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an assumption that fails is a test that fails"
)]

use std::net::SocketAddr;

use navarch::{
    config,
    server::{Options, Server},
};
use navarch_fuzz::Target;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    MethodDescriptor, Value,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const SERVICES: [&str; 2] = ["navarch.ControlPlaneService", "navarch.OperatorService"];

/// A group of one, with a pool whose provider nobody answers for.
const FLEET: &str = r#"
server: {address: "127.0.0.1:0"}
cluster: {replica: r1, peer_address: "127.0.0.1:0"}
providers: {cloud: {type: http, url: "http://127.0.0.1:9"}}
pools:
  a: {provider: cloud, instance_type: h100, region: eu, min_nodes: 0, max_nodes: 3}
"#;

/// A call in the making, as bytes that can be changed.
#[derive(Clone, PartialEq, Message)]
struct Call {
    /// Which method, counted through.
    #[prost(uint32, tag = "1")]
    method: u32,
    #[prost(bytes = "vec", tag = "2")]
    message: Vec<u8>,
    /// 0: as protobuf; 1: as the JSON of that message; else the bytes as they are are called JSON.
    #[prost(uint32, tag = "3")]
    codec: u32,
}

/// A replica in this process that serves until it is dropped.
struct Replica {
    runtime: Runtime,
    address: SocketAddr,
    client: reqwest::Client,
    serving: JoinHandle<()>,
    _data: TempDir,
}

impl Replica {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(config::parse(FLEET, "fleet.yaml").unwrap());
        options.data_dir = Some(data.path().to_owned());
        options.bootstrap = true;
        let server = runtime.block_on(Server::start(options)).unwrap();
        let address = server.address();
        let serving = runtime.spawn(async move {
            server.serve(CancellationToken::new()).await.unwrap();
        });
        // A second one is refused, which leaves the first in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let replica = Self { runtime, address, client, serving, _data: data };
        // It leads, and has its configuration, once its pool can be read.
        while replica.post("navarch.OperatorService/GetPool", "json", b"{\"name\":\"a\"}").0 != 200
        {
            assert!(!replica.serving.is_finished());
        }
        replica
    }

    fn post(&self, path: &str, codec: &str, body: &[u8]) -> (u16, String) {
        self.runtime.block_on(async {
            let request = self.client.post(format!("http://{}/{path}", self.address));
            let request = request.header("content-type", format!("application/{codec}"));
            let request = request.header("connect-timeout-ms", "400").body(body.to_vec());
            let response = request.send().await.expect("the connection holds");
            let status = response.status().as_u16();
            let body = response.bytes().await.expect("the answer is whole");
            (status, String::from_utf8_lossy(&body).into_owned())
        })
    }
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services = SERVICES.iter().map(|name| pool.get_service_by_name(name).unwrap());
    let methods: Vec<_> =
        services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    methods.into_iter().filter(|method| !method.is_server_streaming()).collect()
}

/// A message with something in every field.
fn filled(descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if let Some(value) = filled_field(&field, depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn filled_field(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    if field.is_map() {
        let value = Value::String("value".to_owned());
        return Some(Value::Map([(MapKey::String("name".to_owned()), value)].into()));
    }
    let value = match field.kind() {
        Kind::Message(inner) if depth > 0 => Value::Message(filled(&inner, depth - 1)),
        Kind::Message(_) => return None,
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::String if field.name() == "pool" || field.name() == "name" => {
            Value::String("a".to_owned())
        }
        Kind::String => Value::String("m0".to_owned()),
        Kind::Bytes => Value::Bytes(b"bytes".as_slice().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Double => Value::F64(0.5),
        Kind::Float => Value::F32(0.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
    };
    Some(if field.is_list() { Value::List(vec![value]) } else { value })
}

/// Without it one client's message could end a replica, and sent again, each of a group in turn.
#[test]
fn fuzz_calls_are_answered_or_refused() {
    let replica = Replica::start();
    let pool = DescriptorPool::decode(navarch::proto::DESCRIPTORS).unwrap();
    let methods = methods(&pool);
    assert!(methods.len() > 25, "{}", methods.len());
    let mut target = Target::message("call").cases(600);
    for (method, descriptor) in (0..).zip(&methods) {
        let message = filled(&descriptor.input(), 3).encode_to_vec();
        for codec in [0, 1] {
            target = target.seed(Call { method, message: message.clone(), codec }.encode_to_vec());
        }
        let message = br#"{"nodeId":"m0","node_id":1}"#.to_vec();
        target = target.seed(Call { method, message, codec: 2 }.encode_to_vec());
    }
    target.check(|input| {
        let Ok(call) = Call::decode(input) else { return };
        let method = &methods[usize::try_from(call.method).unwrap() % methods.len()];
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        let (codec, body) = match call.codec {
            0 => ("proto", call.message),
            1 => match DynamicMessage::decode(method.input(), call.message.as_slice()) {
                Ok(message) => ("json", serde_json::to_vec(&message).unwrap_or_default()),
                Err(_) => return,
            },
            _ => ("json", call.message),
        };
        let (status, text) = replica.post(&path, codec, &body);
        assert!(status != 500, "{path}: {text}");
        assert!(!replica.serving.is_finished(), "{path} has ended the replica");
    });
    let (status, text) = replica.post("navarch.OperatorService/GetFleetStatus", "json", b"{}");
    assert_eq!(status, 200, "{text}");
}
