//! The gRPC services that are not ours: reflection and health.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;

use super::{call::Api, probes::readiness};

/// How often the health service learns whether this replica is ready.
const HEALTH_PERIOD: Duration = Duration::from_millis(500);
/// The names that the health service knows; the empty one is the replica as a whole.
const HEALTH_SERVICES: [&str; 4] =
    ["", "navarch.ControlPlaneService", "navarch.OperatorService", "navarch.ReplicaService"];

/// The services, and the task that keeps the health service honest until `stop`.
pub fn services(
    api: &Arc<Api>,
    stop: CancellationToken,
) -> Result<(Routes, impl Future<Output = ()> + Send + use<>), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(navarch_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::default()
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare();

    let api = Arc::clone(api);
    let keep_health = async move {
        let watch = async {
            loop {
                let status = match readiness(&api).await {
                    Ok(()) => ServingStatus::Serving,
                    Err(_) => ServingStatus::NotServing,
                };
                for service in HEALTH_SERVICES {
                    reporter.set_service_status(service, status).await;
                }
                api.clock().sleep(HEALTH_PERIOD).await;
            }
        };
        stop.run_until_cancelled(watch).await;
    };
    Ok((routes, keep_health))
}
