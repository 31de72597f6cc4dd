use std::time::Duration;

use navarch_proto::api::{HeartbeatRequest, NodeMetrics};

use super::{
    shared::{Shared, jittered, timestamp},
    system::System,
};
use crate::client::{CallOptions, Failure, rpc::Heartbeat};

/// Longest time for one heartbeat: a later one tells more.
const LONGEST_CALL: Duration = Duration::from_secs(10);
/// Shortest time for one heartbeat: even at a short interval an election must fit in.
const SHORTEST_CALL: Duration = Duration::from_secs(3);

/// Beats until the agent stops: at once, then after a random part of the interval so that nodes started
/// together spread out, then once an interval.
pub(super) async fn run(shared: &Shared) {
    let mut system = System::new(shared.config.proc_dir.clone());
    let mut due = shared.clock.now();
    let mut first = true;
    loop {
        let wait = shared.clock.sleep_until(due);
        if shared.until_stopped(wait).await.is_none()
            || shared.until_stopped(beat(shared, &mut system)).await.is_none()
        {
            return;
        }
        let interval = shared.settings().heartbeat;
        let step = if first { jittered(interval, 0.5) } else { interval };
        first = false;
        // A beat that took longer than the interval is followed at once, not by all that were missed.
        due = (due + step).max(shared.clock.now());
    }
}

async fn beat(shared: &Shared, system: &mut System) {
    let settings = shared.settings();
    let gpu_metrics = shared.probe.sample().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "no GPU figures");
        Vec::new()
    });
    let request = HeartbeatRequest {
        node_id: shared.config.node_id.clone(),
        timestamp: Some(timestamp(shared.clock.wall_ms())),
        metrics: Some(NodeMetrics {
            cpu_usage_percent: system.cpu_percent(),
            memory_usage_percent: system.memory_percent(),
            gpu_metrics,
        }),
    };
    let timeout = settings.heartbeat.clamp(SHORTEST_CALL, LONGEST_CALL);
    let options = CallOptions::within(timeout);
    match shared.client.call::<Heartbeat>(request, &options).await {
        Ok(answer) => shared.next_interval(answer.message.next_interval_ms),
        Err(error) if error.failure() == Failure::NotFound => {
            shared.is_forgotten(settings.registrations);
        }
        Err(error) => {
            tracing::warn!(node = shared.config.node_id, %error, "heartbeat not delivered");
        }
    }
}
