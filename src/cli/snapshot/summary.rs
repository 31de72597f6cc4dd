use std::collections::BTreeMap;

use navarch_cluster::{SnapshotInfo, SnapshotReplica};
use navarch_fleet::{FleetState, LogTime};
use navarch_proto::api::{InstanceState, PoolInfo};
use serde_json::{Value, json};

use crate::cli::{
    choices::short,
    failure::Failure,
    output::{Cell, Record as _, Screen, Tone, age, message_value, render, render_pairs},
};

/// What a snapshot holds.
pub(super) struct Summary {
    info: SnapshotInfo,
    /// With which the machines are labelled.
    cluster_id: String,
    time: LogTime,
    session: u64,
    nodes: BTreeMap<&'static str, u32>,
    instances: BTreeMap<&'static str, u32>,
    pools: Vec<PoolInfo>,
    first_event: u64,
    last_event: u64,
    adopting: bool,
}

impl Summary {
    pub(super) fn of(info: SnapshotInfo, fleet: &FleetState) -> Self {
        let mut nodes = BTreeMap::new();
        for node in fleet.nodes() {
            *nodes.entry(node.status().as_str_name()).or_default() += 1;
        }
        let mut instances = BTreeMap::new();
        for instance in fleet.instances() {
            *instances.entry(InstanceState::from(instance.state).as_str_name()).or_default() += 1;
        }
        Self {
            cluster_id: fleet.cluster_id(&info.group_id).to_owned(),
            time: fleet.log_time(),
            session: fleet.session().id.0,
            nodes,
            instances,
            pools: fleet.pools().map(|pool| fleet.pool_info(pool)).collect(),
            first_event: fleet.first_event_index(),
            last_event: fleet.last_event_index(),
            adopting: fleet.adoption().is_some(),
            info,
        }
    }

    /// One line for whoever saved it.
    pub(super) fn line(&self) -> String {
        let Self { info, cluster_id, .. } = self;
        format!(
            "index {} of cluster {cluster_id}: {} nodes, {} instances, {} pools, {} bytes",
            info.last_index,
            total(&self.nodes),
            total(&self.instances),
            self.pools.len(),
            info.bytes
        )
    }

    pub(super) fn value(&self) -> Result<Value, Failure> {
        let pools: Result<Vec<_>, _> =
            self.pools.iter().map(|pool| message_value(PoolInfo::MESSAGE, pool)).collect();
        let info = &self.info;
        let replicas: Vec<_> = info.replicas.iter().map(replica_value).collect();
        Ok(json!({
            "format_version": info.format_version,
            "feature_level": info.feature_level,
            "cluster_id": self.cluster_id,
            "group_id": info.group_id,
            "last_index": info.last_index,
            "last_term": info.last_term,
            "last_leader": info.last_leader.0,
            "replicas": replicas,
            "bytes": info.bytes,
            "body_blake3": hex(&info.body_blake3),
            "log_time": self.time.to_timestamp().to_string(),
            "session": self.session,
            "nodes_by_status": self.nodes,
            "instances_by_state": self.instances,
            "pools": pools?,
            "first_event": self.first_event,
            "last_event": self.last_event,
            "adopt_mode": self.adopting,
        }))
    }

    pub(super) fn render(&self, now_ms: u64, wide: bool, screen: Screen) -> String {
        let mut text = render_pairs(&self.pairs(now_ms), screen);
        if !self.pools.is_empty() {
            let rows: Vec<_> = self.pools.iter().map(|pool| pool.cells(now_ms)).collect();
            text.push_str("\n\n");
            text.push_str(&render(PoolInfo::COLUMNS, &rows, wide, screen));
        }
        text
    }

    fn pairs(&self, now_ms: u64) -> Vec<(&'static str, Cell)> {
        let info = &self.info;
        let time = self.time.to_timestamp();
        let replicas: Vec<_> = info.replicas.iter().map(replica_text).collect();
        let entry =
            format!("{} (term {}, leader {})", info.last_index, info.last_term, info.last_leader);
        let events = match self.last_event {
            0 => "none".to_owned(),
            last => format!("{} to {last}", self.first_event),
        };
        let adopting = match self.adopting {
            true => Cell::toned("on", Tone::Doubtful),
            false => "off".into(),
        };
        vec![
            ("Cluster", self.cluster_id.as_str().into()),
            ("Group", info.group_id.as_str().into()),
            (
                "Format",
                format!("{} (feature level {})", info.format_version, info.feature_level).into(),
            ),
            ("Index", entry.into()),
            ("LogTime", format!("{time} ({} ago)", age::age(Some(&time), now_ms)).into()),
            ("Session", self.session.to_string().into()),
            ("Replicas", replicas.join(", ").into()),
            ("Nodes", counts(&self.nodes, "NODE_STATUS").into()),
            ("Instances", counts(&self.instances, "INSTANCE_STATE").into()),
            ("Journal", events.into()),
            ("Adopt mode", adopting),
            ("Size", format!("{} bytes", info.bytes).into()),
            ("BLAKE3", format!("{} (body)", hex(&info.body_blake3)).into()),
        ]
    }
}

fn replica_value(replica: &SnapshotReplica) -> Value {
    json!({
        "id": replica.id.0,
        "name": replica.name,
        "address": replica.address,
        "voter": replica.voter,
    })
}

fn replica_text(replica: &SnapshotReplica) -> String {
    let standing = if replica.voter { "" } else { " (learner)" };
    format!("{} at {}{standing}", replica.name, replica.address)
}

fn total(counts: &BTreeMap<&'static str, u32>) -> u64 {
    counts.values().map(|count| u64::from(*count)).sum()
}

/// Counts by name as `16 (15 active, 1 unhealthy)`.
fn counts(counts: &BTreeMap<&'static str, u32>, prefix: &str) -> String {
    if counts.is_empty() {
        return "0".to_owned();
    }
    let parts: Vec<_> =
        counts.iter().map(|(name, count)| format!("{count} {}", short(name, prefix))).collect();
    format!("{} ({})", total(counts), parts.join(", "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
