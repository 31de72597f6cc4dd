use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{
    bench::{Bench, bench},
    progress,
};
use crate::{
    error::ChaosError,
    host::Host,
    load::{Snapshots, Updates},
    proc::{Group, GroupOptions},
    report::{Report, Spread},
};

/// A replica holds a fleet of this size in at most this much memory a node, is back within this time, and
/// writes a snapshot at no more than this cost in the p99 of writes.
const MOST_BYTES_A_NODE: u64 = 4_096;
const LONGEST_RESTART: Duration = Duration::from_secs(10);
const MOST_SNAPSHOT_COST_MS: f64 = 25.0;
const MOST_HEARTBEAT_P99_MS: f64 = 100.0;

/// How long a restart or an election may take before the run gives up.
const LIMIT: Duration = Duration::from_secs(120);

/// Steps of a run, for progress.
const STEPS: usize = 4;

/// `navarch-chaos fleet`
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Nodes of 8 GPUs.
    pub nodes: usize,
    /// Between two beats of a node.
    pub interval: Duration,
    /// How long they beat, and how long is written at most until each replica has written a snapshot.
    pub duration: Duration,
    /// Clients that write meanwhile.
    pub clients: usize,
    /// Whether figures that fall short of what is claimed are violations.
    pub judge: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// Nodes registered.
    pub nodes: usize,
    /// Heartbeats acknowledged a second.
    pub heartbeats_per_s: f64,
    /// Heartbeats that failed.
    pub heartbeats_failed: u64,
    /// 99 of 100 heartbeats were acknowledged within this time from when they were due, milliseconds.
    pub heartbeat_p99_ms: f64,
    /// Each replica, the leader first.
    pub replicas: Vec<FleetReplica>,
    /// Writes while no replica wrote a snapshot.
    pub writes: Spread,
    /// Writes while one did.
    pub writes_during_snapshots: Spread,
    /// Snapshots written meanwhile.
    pub snapshots: usize,
    /// What must not be: failed calls, and figures below the claim where that is asked for.
    pub violations: Vec<String>,
}

/// One replica with the whole fleet.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReplica {
    /// Its name.
    pub name: String,
    /// Resident memory by node, bytes.
    pub bytes_a_node: u64,
    /// From its restart after SIGKILL to ready, seconds.
    pub restart_s: f64,
}

/// Registers a large fleet and lets it beat; then measures what holding it costs a replica, how soon one is
/// back after SIGKILL, and what a snapshot of it does to writes.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn fleet(
    host: &Host,
    group: GroupOptions,
    options: FleetOptions,
) -> Result<FleetReport, ChaosError> {
    let program = group.program.clone();
    let mut group = Group::start(host, group).await?;
    let beats = heartbeats(&program, &group, &options).await?;
    progress::say(1, STEPS, "heartbeats");
    let mut replicas = resident(&group, options.nodes).await?;
    progress::say(2, STEPS, "memory");
    let (writes, during, snapshots) = snapshot_cost(host, &group, &options).await?;
    progress::say(3, STEPS, "snapshots");
    for (index, replica) in &mut replicas {
        replica.restart_s = restart(host, &mut group, *index).await?.as_secs_f64();
    }
    progress::say(4, STEPS, "restarts");
    let Bench { failed, rate_per_s, latency_ms } = beats;
    let mut report = FleetReport {
        nodes: options.nodes,
        heartbeats_per_s: rate_per_s,
        heartbeats_failed: failed,
        heartbeat_p99_ms: latency_ms.p99,
        replicas: replicas.into_iter().map(|(_, replica)| replica).collect(),
        writes,
        writes_during_snapshots: during,
        snapshots,
        violations: Vec::new(),
    };
    report.violations = report.complaints(options.judge);
    Ok(report)
}

async fn heartbeats(
    program: &Path,
    group: &Group,
    FleetOptions { nodes, interval, duration, .. }: &FleetOptions,
) -> Result<Bench, ChaosError> {
    let arguments = ["heartbeats", "--nodes", &nodes.to_string()].map(str::to_owned);
    let (interval, duration) =
        (format!("{}ms", interval.as_millis()), format!("{}ms", duration.as_millis()));
    let times = ["--interval".to_owned(), interval, "--duration".to_owned(), duration];
    let arguments: Vec<_> = arguments.into_iter().chain(times).collect();
    bench(program, &group.addresses(), &arguments).await
}

/// Each replica's memory, the leader first, with its index.
async fn resident(group: &Group, nodes: usize) -> Result<Vec<(usize, FleetReplica)>, ChaosError> {
    let leader = group.leader(LIMIT).await?;
    let others = (0..group.len()).filter(|&index| index != leader);
    let nodes = u64::try_from(nodes.max(1)).unwrap_or(u64::MAX);
    let replica = |index: usize| {
        let bytes_a_node = group.resident_bytes(index)? / nodes;
        let name = group.name(index).to_owned();
        Ok((index, FleetReplica { name, bytes_a_node, restart_s: 0.0 }))
    };
    [leader].into_iter().chain(others).map(replica).collect()
}

/// Writes until each replica has written a snapshot: latencies without and with one under way, and how many
/// there were. The writes change records that exist, so that the fleet stays as large as it is.
async fn snapshot_cost(
    host: &Host,
    group: &Group,
    options: &FleetOptions,
) -> Result<(Spread, Spread, usize), ChaosError> {
    let updates = Updates::start(host, group, options.clients)?;
    let snapshots = Snapshots::watch(host, group);
    let wanted = group.len();
    let end = host.clock.now() + options.duration;
    while snapshots.finished() < wanted && host.clock.now() < end {
        host.clock.sleep(Duration::from_millis(100)).await;
    }
    let spans = snapshots.stop().await;
    let told = updates.stop().await?;
    let (during, apart): (Vec<_>, Vec<_>) = told.into_iter().partition(|write| {
        spans.iter().any(|span| write.begun <= span.until && span.since <= write.ended)
    });
    let spread = |writes: &[crate::load::Update]| {
        let took: Vec<_> = writes.iter().map(|write| write.ended.since(write.begun)).collect();
        Spread::of(&took)
    };
    Ok((spread(&apart), spread(&during), spans.len()))
}

async fn restart(host: &Host, group: &mut Group, index: usize) -> Result<Duration, ChaosError> {
    group.kill(index).await?;
    let started = host.clock.now();
    group.bring_back(index, LIMIT).await?;
    Ok(host.clock.now().since(started))
}

impl FleetReport {
    fn snapshot_cost_ms(&self) -> f64 {
        self.writes_during_snapshots.p99_ms - self.writes.p99_ms
    }

    fn complaints(&self, judge: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.heartbeats_failed > 0 {
            complaints.push(format!("{} heartbeats failed", self.heartbeats_failed));
        }
        if !judge {
            return complaints;
        }
        if self.heartbeat_p99_ms > MOST_HEARTBEAT_P99_MS {
            let p99 = self.heartbeat_p99_ms;
            complaints
                .push(format!("heartbeats: p99 {p99} ms, {MOST_HEARTBEAT_P99_MS} is claimed"));
        }
        for FleetReplica { name, bytes_a_node, restart_s } in &self.replicas {
            if *bytes_a_node > MOST_BYTES_A_NODE {
                complaints.push(format!(
                    "{name}: {bytes_a_node} bytes a node, {MOST_BYTES_A_NODE} is claimed"
                ));
            }
            if *restart_s > LONGEST_RESTART.as_secs_f64() {
                complaints.push(format!(
                    "{name}: back after {restart_s:.1} s, {LONGEST_RESTART:?} is claimed"
                ));
            }
        }
        if self.snapshots == 0 {
            complaints.push("no snapshot was written; ask for a longer --duration".to_owned());
        }
        if self.snapshot_cost_ms() > MOST_SNAPSHOT_COST_MS {
            complaints.push(format!(
                "a snapshot raises the p99 of writes by {:.1} ms, {MOST_SNAPSHOT_COST_MS} is claimed",
                self.snapshot_cost_ms()
            ));
        }
        complaints
    }
}

impl Report for FleetReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let (rate, p99, failed) =
            (self.heartbeats_per_s, self.heartbeat_p99_ms, self.heartbeats_failed);
        let beats = format!("{rate:.0}/s, p99 {p99:.1} ms from when each was due, {failed} failed");
        let mut rows = vec![row("nodes", self.nodes.to_string()), row("heartbeats", beats)];
        for (at, FleetReplica { name, bytes_a_node, restart_s }) in self.replicas.iter().enumerate()
        {
            let role = if at == 0 { " (led)" } else { "" };
            let text = format!("{bytes_a_node} bytes a node, back after {restart_s:.1} s");
            rows.push(row(&format!("{name}{role}"), text));
        }
        rows.push(row("writes", self.writes.words()));
        let name = format!("writes during {} snapshots", self.snapshots);
        rows.push(row(&name, self.writes_during_snapshots.words()));
        rows.push(row("p99 with a snapshot", format!("{:+.1} ms", self.snapshot_cost_ms())));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a release could need more memory or time than it claims, and say nothing.
    #[test]
    fn figures_over_the_claim_are_told_where_asked_for() {
        let spread = |p99_ms| Spread { count: 1, p50_ms: 1.0, p99_ms, max_ms: p99_ms };
        let report = |p99_ms, bytes_a_node, restart_s, during, snapshots| FleetReport {
            nodes: 1,
            heartbeats_per_s: 1.0,
            heartbeats_failed: 0,
            heartbeat_p99_ms: p99_ms,
            replicas: vec![FleetReplica { name: "r1".to_owned(), bytes_a_node, restart_s }],
            writes: spread(5.0),
            writes_during_snapshots: spread(during),
            snapshots,
            violations: Vec::new(),
        };
        let table = [
            (report(100.0, 4_096, 10.0, 30.0, 3), 0),
            (report(100.1, 4_096, 10.0, 30.0, 3), 1),
            (report(100.0, 4_097, 10.1, 30.0, 3), 2),
            (report(100.0, 4_096, 10.0, 30.1, 0), 2),
        ];
        for (report, complaints) in table {
            assert_eq!(report.complaints(true).len(), complaints, "{report:?}");
            assert!(report.complaints(false).is_empty());
        }
    }
}
