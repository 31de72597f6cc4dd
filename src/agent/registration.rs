use std::time::Duration;

use navarch_proto::api::{NodeMetadata, RegisterNodeRequest};
use thiserror::Error;
use tonic::Code;

use super::{
    AgentError,
    pace::Pace,
    shared::{Settings, Shared, jittered},
    system::{self, System},
};
use crate::client::{CallError, CallOptions, rpc::RegisterNode};

/// Pauses after failed registrations.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Limit of one registration: a fleet whose calls all wait for a leader would meet it at once.
const LONGEST_CALL: Duration = Duration::from_secs(5);
/// Longest wait before a forgotten node registers that the group told no time, so that a fleet comes back spread out.
const LONGEST_SPREAD: Duration = Duration::from_secs(10);
/// Longest wait that the group may tell: a wrong figure must not keep a node away.
const LONGEST_TOLD: Duration = Duration::from_secs(900);

/// Why a registration did not come about.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("refused: {0}")]
    Refused(String),
}

/// Registers the node for the first time; returns early when the agent stops.
pub(super) async fn first(shared: &Shared) -> Result<(), AgentError> {
    let mut pace = Pace::new(PAUSES.0, PAUSES.1);
    while let Some(result) = shared.until_stopped(register(shared)).await {
        match result {
            Ok(()) => break,
            Err(Failure::Call(source)) if is_final(&source) => {
                return Err(AgentError::Refused { node_id: shared.config.node_id.clone(), source });
            }
            Err(failure) => wait_after(shared, &failure, &mut pace).await,
        }
    }
    Ok(())
}

/// Registers again whenever the group has forgotten the node, at most once in a heartbeat interval.
pub(super) async fn keep(shared: &Shared) {
    let mut last = shared.clock.now();
    while shared.until_stopped(shared.until_forgotten()).await.is_some() {
        tracing::warn!(node = shared.config.node_id, "the group does not know this node");
        let Settings { heartbeat: interval, register_after, .. } = shared.settings();
        let since = shared.clock.now().since(last);
        let spread = || jittered(interval.min(LONGEST_SPREAD), 0.0);
        let wait = register_after.map_or_else(spread, |told| told.min(LONGEST_TOLD));
        if !shared.pause(interval.saturating_sub(since).max(wait)).await {
            return;
        }
        let mut pace = Pace::new(PAUSES.0, PAUSES.1);
        while let Some(Err(failure)) = shared.until_stopped(register(shared)).await {
            wait_after(shared, &failure, &mut pace).await;
        }
        last = shared.clock.now();
    }
}

async fn wait_after(shared: &Shared, failure: &Failure, pace: &mut Pace) {
    let wait = pace.failed(rand::random());
    tracing::warn!(node = shared.config.node_id, error = %failure, ?wait, "not registered");
    shared.pause(wait).await;
}

/// Whether the same registration would be refused for ever.
fn is_final(error: &CallError) -> bool {
    matches!(error.code(), Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied)
}

async fn register(shared: &Shared) -> Result<(), Failure> {
    let request = request(shared).await;
    let gpus = request.gpus.len();
    let options = CallOptions::within(LONGEST_CALL);
    let answer = shared.client.call::<RegisterNode>(request, &options).await?;
    let response = answer.message;
    if !response.success {
        return Err(Failure::Refused(response.message));
    }
    shared.registered(&response.config.unwrap_or_default(), gpus);
    tracing::info!(
        node = shared.config.node_id,
        replica = %answer.endpoint,
        message = response.message,
        "registered"
    );
    Ok(())
}

async fn request(shared: &Shared) -> RegisterNodeRequest {
    let config = &shared.config;
    let gpus = shared.probe.describe().await.unwrap_or_else(|error| {
        tracing::error!(%error, "registering without GPUs: the driver does not describe them");
        Vec::new()
    });
    shared.gpus.learn(&gpus);
    let facts = System::new(config.proc_dir.clone()).facts();
    let internal_ip = match shared.client.endpoints().first() {
        Some(endpoint) => system::address_towards(endpoint).await,
        None => String::new(),
    };
    RegisterNodeRequest {
        node_id: config.node_id.clone(),
        provider: config.provider.clone(),
        region: config.region.clone(),
        zone: config.zone.clone(),
        instance_type: config.instance_type.clone(),
        gpus,
        metadata: Some(NodeMetadata {
            hostname: facts.hostname,
            internal_ip,
            external_ip: config.external_ip.clone().unwrap_or_default(),
            kernel_version: facts.kernel_version,
            labels: config.all_labels().into_iter().collect(),
        }),
    }
}
