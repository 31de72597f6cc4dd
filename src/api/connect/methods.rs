use std::{collections::HashMap, fmt, sync::Arc};

use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use prost_types::method_options::IdempotencyLevel;
use thiserror::Error;

/// The methods that clients can call, by path.
#[derive(Clone)]
pub struct MethodTable {
    methods: HashMap<String, Arc<Method>>,
    /// `/navarch.ControlPlaneService/`, and so on.
    prefixes: Vec<String>,
}

/// What the bridge must know of a method.
#[derive(Clone, Debug)]
pub(super) struct Method {
    pub(super) shape: Shape,
    /// No side effects: may be called by GET.
    pub(super) safe: bool,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
}

/// How many messages go each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One each way.
    Unary,
    /// One there, any number back.
    ServerStreaming,
    /// Any number there: served by gRPC alone.
    ClientStreaming,
}

/// Why a [`MethodTable`] could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MethodTableError {
    /// The bytes are no set of complete descriptors.
    #[error(
        "the protobuf descriptors cannot be read: {0}; they are built into the program, so rebuild it"
    )]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// A service to be served is not described.
    #[error(
        "service {0} is in none of the protobuf descriptors; add its .proto file to proto/build.rs"
    )]
    UnknownService(String),
}

impl MethodTable {
    /// The methods of `services` (full names), which `descriptor_sets` (encoded
    /// `google.protobuf.FileDescriptorSet`s) describe.
    ///
    /// # Errors
    ///
    /// A set that cannot be decoded, or a service that no set describes.
    pub fn new(descriptor_sets: &[&[u8]], services: &[&str]) -> Result<Self, MethodTableError> {
        let mut pool = DescriptorPool::new();
        for set in descriptor_sets {
            pool.decode_file_descriptor_set(*set)?;
        }
        let mut table = Self { methods: HashMap::new(), prefixes: Vec::new() };
        for name in services {
            let service = pool
                .get_service_by_name(name)
                .ok_or_else(|| MethodTableError::UnknownService((*name).to_owned()))?;
            table.prefixes.push(format!("/{name}/"));
            for method in service.methods() {
                let path = format!("/{name}/{}", method.name());
                let method = Arc::new(Method::describe(&method));
                table.methods.insert(path, method);
            }
        }
        Ok(table)
    }

    pub(super) fn get(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// Whether `path` lies in a service that this table serves, though it may name no method of it.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.prefixes.iter().any(|prefix| path.starts_with(prefix))
    }
}

impl fmt::Debug for MethodTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MethodTable")
            .field("methods", &self.methods.len())
            .field("services", &self.prefixes)
            .finish()
    }
}

impl Method {
    fn describe(method: &MethodDescriptor) -> Self {
        let shape = match (method.is_client_streaming(), method.is_server_streaming()) {
            (false, false) => Shape::Unary,
            (false, true) => Shape::ServerStreaming,
            (true, _) => Shape::ClientStreaming,
        };
        let level = method
            .method_descriptor_proto()
            .options
            .as_ref()
            .map(prost_types::MethodOptions::idempotency_level);
        Self {
            shape,
            safe: shape == Shape::Unary && level == Some(IdempotencyLevel::NoSideEffects),
            input: method.input(),
            output: method.output(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: [&str; 2] = ["navarch.ControlPlaneService", "navarch.OperatorService"];

    /// Without it GET could reach a method that changes the fleet, or a stream be answered as one message.
    #[test]
    fn methods_are_read_from_the_descriptors() {
        let table = MethodTable::new(&[navarch_proto::DESCRIPTORS], &SERVICES).unwrap();
        let of = |path: &str| table.get(path).map(|method| (method.shape, method.safe));
        let cases = [
            ("/navarch.ControlPlaneService/GetNode", Some((Shape::Unary, true))),
            ("/navarch.ControlPlaneService/RegisterNode", Some((Shape::Unary, false))),
            ("/navarch.OperatorService/WatchEvents", Some((Shape::ServerStreaming, false))),
            ("/navarch.ReplicaService/ListReplicas", None),
            ("/navarch.ControlPlaneService/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(of(path), expected, "{path}");
        }
    }

    /// Without it the standard health service could not be called by Connect, as load balancers do.
    #[test]
    fn services_of_several_sets_are_served() {
        let sets = [navarch_proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
        let table = MethodTable::new(&sets, &[SERVICES[0], "grpc.health.v1.Health"]).unwrap();
        assert!(table.get("/grpc.health.v1.Health/Check").is_some());
        assert!(table.covers("/navarch.ControlPlaneService/GetNode"));
    }

    /// Without it a mistyped service name would silently be served by gRPC alone.
    #[test]
    fn an_unknown_service_is_refused() {
        let error = MethodTable::new(&[navarch_proto::DESCRIPTORS], &["navarch.Nope"]).unwrap_err();
        assert!(error.to_string().contains("navarch.Nope"), "{error}");
    }
}
