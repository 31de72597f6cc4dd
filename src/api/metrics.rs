//! The series behind `/metrics`. Fleet gauges come from the leader alone, so that a sum over all replicas
//! stays true; each replica exports what is its own.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use navarch_fleet::LogTime;
use navarch_proto::api::{HealthStatus, NodeStatus, PoolInfo};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::call::Api;
use crate::ledger::{Standing, View};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeStatusLabels {
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeHealthLabels {
    node_id: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    scope: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: String,
}

type Real = Gauge<f64, AtomicU64>;

/// Name, help and value of a series with one sample a pool.
type PoolSeries = (&'static str, &'static str, fn(&PoolInfo) -> u32);

/// All series of this replica in the OpenMetrics text format.
pub(super) fn expose(api: &Api) -> String {
    let mut registry = Registry::with_prefix("navarch");
    let view = api.ledger.view();
    replica_series(&mut registry, api, &view);
    connection_series(&mut registry, api);
    api.calls.register(&mut registry);
    api.health.register(&mut registry);
    let usable = u64::from(api.judge.problem(&view.fleet).is_none());
    let help = "1 while the fleet's health policy compiles in this replica's build; without, events are degraded";
    gauge(&mut registry, "health_policy_usable", help, usable);
    if let Standing::Leading { .. } = api.ledger.standing() {
        fleet_series(&mut registry, &view);
        pool_series(&mut registry, &view);
        breaker_series(&mut registry, &view, LogTime::from_ms(api.ledger.log_time_ms()));
        controller_series(&mut registry, api);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

fn real(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Real::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn replica_series(registry: &mut Registry, api: &Api, view: &View) {
    let status = api.replica().status();
    let leads = u64::from(api.ledger.standing().session().is_some());
    gauge(registry, "leader", "1 while this replica leads within a session", leads);
    gauge(registry, "raft_term", "Raft term as this replica knows it", status.term);
    gauge(registry, "raft_applied_index", "Last log entry applied here", view.index);
    gauge(registry, "raft_last_log_index", "Last log entry stored here", status.last_log);
    gauge(registry, "raft_committed_index", "Last entry known committed here", status.committed);
    gauge(registry, "raft_replicas", "Replicas of the group", status.replicas.len() as u64);
    gauge(registry, "raft_snapshot_index", "Last entry in the newest snapshot", status.snapshot);
    let syncs = status.log_syncs;
    let help = "Batches written to the log and synced since this replica started";
    counter(registry, "log_syncs", help, syncs.count);
    real(registry, "log_sync_seconds", "Time that they took together", syncs.total.as_secs_f64());
    let help = "Time that the longest of them took";
    real(registry, "log_longest_sync_seconds", help, syncs.longest.as_secs_f64());
    gauge(
        registry,
        "session",
        "Log index of the newest leader session's opening entry",
        view.fleet.session().id.0,
    );
}

fn connection_series(registry: &mut Registry, api: &Api) {
    let connections = &api.connections;
    let open = "Connections of clients that are open";
    gauge(registry, "connections_open", open, connections.open() as u64);
    let accepted = "Connections of clients accepted since this replica started";
    counter(registry, "connections_accepted", accepted, connections.accepted());
    let refused = "Connections of clients closed at once because there were too many";
    counter(registry, "connections_refused", refused, connections.refused());
}

fn fleet_series(registry: &mut Registry, view: &View) {
    let statuses = Family::<NodeStatusLabels, Gauge>::default();
    let health = Family::<NodeHealthLabels, Real>::default();
    let mut gpus = BTreeMap::<&str, i64>::new();
    for status in [
        NodeStatus::Active,
        NodeStatus::Cordoned,
        NodeStatus::Draining,
        NodeStatus::Unhealthy,
        NodeStatus::Terminated,
    ] {
        statuses.get_or_create(&NodeStatusLabels { status: word(status.as_str_name()) }).set(0);
    }
    for node in view.fleet.nodes() {
        let status = word(node.status().as_str_name());
        statuses.get_or_create(&NodeStatusLabels { status }).inc();
        let value = match node.health_status() {
            HealthStatus::Healthy | HealthStatus::Unknown => 1.0,
            HealthStatus::Degraded => 0.5,
            HealthStatus::Unhealthy => 0.0,
        };
        let labels = NodeHealthLabels {
            node_id: node.id.as_str().to_owned(),
            status: word(node.health_status().as_str_name()),
        };
        health.get_or_create(&labels).set(value);
        *gpus.entry(&node.provider).or_default() += i64::from(node.gpu_count);
    }
    let totals = Family::<ProviderLabels, Gauge>::default();
    for (provider, count) in gpus {
        totals.get_or_create(&ProviderLabels { provider: provider.to_owned() }).set(count);
    }
    registry.register("nodes_total", "Nodes by status", statuses);
    let help = "1 healthy, 0.5 degraded, 0 unhealthy";
    registry.register("node_health_status", help, health);
    registry.register("gpus_total", "GPUs of registered nodes by provider", totals);
    let help = "Health events of all nodes that are remembered for rules over windows";
    gauge(registry, "health_history_events", help, view.fleet.remembered_events() as u64);
    let help = "Health events that there was no room for, or no longer";
    counter(registry, "health_history_displaced", help, view.fleet.displaced_events());
}

fn pool_series(registry: &mut Registry, view: &View) {
    let families: [PoolSeries; 5] = [
        ("pool_target", "Desired instances of a pool", |pool| pool.target),
        ("pool_size", "Running, pending and provisioning instances", |pool| pool.size),
        ("pool_occupancy", "Instances not confirmed gone", |pool| pool.occupancy),
        ("pool_min_nodes", "Least instances of a pool", |pool| pool.min_nodes),
        ("pool_max_nodes", "Most instances of a pool", |pool| pool.max_nodes),
    ];
    let pools: Vec<_> = view.fleet.pools().map(|pool| view.fleet.pool_info(pool)).collect();
    for (name, help, value) in families {
        let family = Family::<PoolLabels, Gauge>::default();
        for pool in &pools {
            let labels = PoolLabels { pool: pool.name.clone() };
            family.get_or_create(&labels).set(i64::from(value(pool)));
        }
        registry.register(name, help, family);
    }
}

fn breaker_series(registry: &mut Registry, view: &View, now: LogTime) {
    let family = Family::<BreakerLabels, Gauge>::default();
    for key in view.fleet.all_breakers() {
        let open = view.fleet.breaker(&key).is_some_and(|breaker| breaker.is_open(now));
        let labels =
            BreakerLabels { scope: key.scope.as_str().to_owned(), name: key.name.to_string() };
        family.get_or_create(&labels).set(i64::from(open));
    }
    let help = "1 while losses and replacements of a pool, a zone or the fleet are stopped";
    registry.register("breaker_open", help, family);
}

fn controller_series(registry: &mut Registry, api: &Api) {
    let failed = Family::<ControllerLabels, Gauge>::default();
    let duration = Family::<ControllerLabels, Real>::default();
    for report in (api.reports)() {
        let labels = ControllerLabels { controller: report.controller.clone() };
        failed.get_or_create(&labels).set(i64::from(report.failed));
        duration.get_or_create(&labels).set(report.duration_us as f64 / 1e6);
    }
    let help = "Failed steps of a controller's last pass";
    registry.register("controller_failed_steps", help, failed);
    let help = "Duration of a controller's last pass";
    registry.register("controller_pass_seconds", help, duration);
}

/// `NODE_STATUS_ACTIVE` is `active` in dashboards.
fn word(name: &str) -> String {
    let word = name.strip_prefix("NODE_STATUS_").or_else(|| name.strip_prefix("HEALTH_STATUS_"));
    word.unwrap_or(name).to_ascii_lowercase()
}
