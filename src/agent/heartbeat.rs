use std::time::Duration;

use navarch_proto::api::{HeartbeatRequest, NodeMetrics};

use super::{
    pace,
    shared::{Shared, jittered, timestamp},
    system::System,
};
use crate::client::{CallOptions, Failure, rpc::Heartbeat};

/// Longest time for one heartbeat: a later one tells more. All beats that wait for a leader arrive when there is one, so
/// this is how much of a fleet's beats come together after an outage; a node is lost after three intervals without one.
const LONGEST_CALL: Duration = Duration::from_secs(1);
/// Beats that failed in a row before a person is told: one may meet an election.
const TOLD_AFTER: u32 = 3;
/// Another call was told that the node is not known: whether that is so, and what to do, a heartbeat is told within this
/// time.
const DOUBT: Duration = Duration::from_secs(10);

/// Beats until the agent stops: at once, then after a random part of the interval so that nodes started
/// together spread out, then once an interval.
pub(super) async fn run(shared: &Shared) {
    let mut system = System::new(shared.config.proc_dir.clone());
    let mut due = shared.clock.now();
    let mut first = true;
    let mut failures = 0;
    loop {
        let wait = async {
            tokio::select! {
                () = shared.clock.sleep_until(due) => {}
                () = shared.doubts() => {
                    let soon = shared.clock.now() + jittered(DOUBT, 0.0);
                    shared.clock.sleep_until(due.min(soon)).await;
                }
            }
        };
        if shared.until_stopped(wait).await.is_none() {
            return;
        }
        let Some(well) = shared.until_stopped(beat(shared, &mut system, failures)).await else {
            return;
        };
        failures = if well { 0 } else { failures.saturating_add(1) };
        let interval = shared.settings().heartbeat;
        let step = match first {
            true => jittered(interval, 0.5),
            false => pace::after_beat(interval, !well, rand::random()),
        };
        first = false;
        // A beat that took longer than the interval is followed at once, not by all that were missed.
        due = (due.min(shared.clock.now()) + step).max(shared.clock.now());
    }
}

/// Sends one beat after so many failed ones; whether it was answered.
async fn beat(shared: &Shared, system: &mut System, failures: u32) -> bool {
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
    match shared.client.call::<Heartbeat>(request, &CallOptions::within(LONGEST_CALL)).await {
        Ok(answer) => {
            if failures >= TOLD_AFTER {
                tracing::info!(
                    node = shared.config.node_id,
                    failures,
                    "heartbeats get through again"
                );
            }
            shared.next_interval(answer.message.next_interval_ms);
            true
        }
        Err(error) if error.failure() == Failure::NotFound => {
            shared.is_forgotten(settings.registrations, error.retry_after());
            true
        }
        Err(error) if failures + 1 == TOLD_AFTER => {
            tracing::warn!(node = shared.config.node_id, %error, "heartbeats are not delivered");
            false
        }
        Err(error) => {
            tracing::debug!(node = shared.config.node_id, %error, "heartbeat not delivered");
            false
        }
    }
}
