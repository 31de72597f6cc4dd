//! Beats, and when the next one is due; public for programs that beat as agents do.

use std::time::Duration;

use navarch_proto::{
    api::{HeartbeatRequest, NodeMetrics},
    timestamp::from_unix_ms,
};

use super::{
    shared::{Shared, jittered},
    system::System,
};
use crate::client::{CallOptions, Failure, rpc::Heartbeat};

/// Longest time for one heartbeat: a later one tells more. All beats that wait for a leader arrive when there is one, so
/// this is how much of a fleet's beats come together after an outage; a node is lost after three intervals without one.
pub const LONGEST_CALL: Duration = Duration::from_secs(1);
/// Beats that failed in a row before a person is told: one may meet an election.
const TOLD_AFTER: u32 = 3;
/// Another call was told that the node is not known: whether that is so, and what to do, a heartbeat is told within this
/// time.
const DOUBT: Duration = Duration::from_secs(10);

/// Beats until the agent stops.
pub(super) async fn run(shared: &Shared) {
    let mut system = System::new(shared.config.proc_dir.clone());
    let beat = |failures| {
        let figures = (system.cpu_percent(), system.memory_percent());
        beat(shared, figures, failures)
    };
    keep_time(shared, beat).await;
}

/// Calls `beat` until the agent stops, with how often it failed in a row; it says whether it was answered. At once, then
/// after a random part of the interval so that nodes started together spread out, then once an interval.
async fn keep_time<F: Future<Output = bool>>(shared: &Shared, mut beat: impl FnMut(u32) -> F) {
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
        let Some(well) = shared.until_stopped(beat(failures)).await else {
            return;
        };
        failures = if well { 0 } else { failures.saturating_add(1) };
        let interval = shared.settings().heartbeat;
        let step = match first {
            true => jittered(interval, 0.5),
            false => after_beat(interval, !well, rand::random()),
        };
        first = false;
        // A beat that took longer than the interval is followed at once, not by all that were missed.
        due = (due.min(shared.clock.now()) + step).max(shared.clock.now());
    }
}

/// The wait before the next beat of a node: the interval, and where the last one failed a little more or less of it,
/// so that nodes which failed together spread out while the rate stays what it was. `chance` is drawn evenly from 0 to 1.
pub fn after_beat(interval: Duration, failed: bool, chance: f64) -> Duration {
    if failed { interval.mul_f64(0.75 + 0.5 * chance) } else { interval }
}

/// How long one replica is waited for. One whose machine is gone says nothing at all: after a beat that failed, the next one
/// asks up to three of them within its time, and while all is well each beat is one call, however slow the leader is. So is each
/// second beat of those that fail: to connect over a long way may take more than a third of the time.
fn longest_try(failures: u32) -> Duration {
    if failures.is_multiple_of(2) { LONGEST_CALL } else { LONGEST_CALL / 3 }
}

/// Sends one beat after so many failed ones; whether it was answered.
async fn beat(shared: &Shared, (cpu, memory): (f64, f64), failures: u32) -> bool {
    let settings = shared.settings();
    let gpu_metrics = shared.probe.sample().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "no GPU figures");
        Vec::new()
    });
    let request = HeartbeatRequest {
        node_id: shared.config.node_id.clone(),
        timestamp: Some(from_unix_ms(shared.clock.wall_ms())),
        metrics: Some(NodeMetrics {
            cpu_usage_percent: cpu,
            memory_usage_percent: memory,
            gpu_metrics,
        }),
    };
    let options =
        CallOptions { attempt_timeout: longest_try(failures), ..CallOptions::within(LONGEST_CALL) };
    match shared.client.call::<Heartbeat>(request, &options).await {
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

#[cfg(test)]
#[path = "heartbeat_test.rs"]
mod tests;
