use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;
use navarch::{
    client::{
        CallOptions, Client,
        rpc::{Heartbeat, RegisterNode},
    },
    config::parse_duration,
};
use navarch_proto::{api, timestamp::from_unix_ms};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    error::ChaosError,
    evidence::{self, Beating, Evidence, Window},
    host::Host,
    invariants::{self, Invariant},
    proc::{FleetFile, Group, GroupOptions},
    record::InvariantRecord,
    report::Report,
};

/// How wrong clocks are.
const SKEW_MS: u64 = 3_600_000;
const HEARTBEAT: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(3);
/// Limit of a call, and of an election.
const LIMIT: Duration = Duration::from_secs(25);
/// The node that registers and never beats: a run that sees no loss shows nothing.
const MUTE: &str = "mute";

const INVARIANTS: [&dyn Invariant; 4] = [
    &invariants::HealthyKept,
    &invariants::TimeForward,
    &invariants::JournalContiguous,
    &invariants::JournalEqual,
];

/// `navarch-chaos clocks`
#[derive(Args, Clone, Copy, Debug)]
pub struct ClocksOptions {
    /// Nodes that beat: of three one has a clock that is right, one that is an hour behind, and one that is an hour ahead
    #[arg(long, default_value_t = 30)]
    pub nodes: u32,
    /// For how long they beat before the leader is killed, and again afterwards
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct ClocksReport {
    /// Nodes that beat.
    pub nodes: u32,
    /// Heartbeats that were acknowledged.
    pub beats: u64,
    /// What was checked, and what it came to.
    pub invariants: Vec<InvariantRecord>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has nodes beat whose clocks are wrong, through a failover; none of them may be declared lost.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn clocks(
    host: &Host,
    group: GroupOptions,
    options: ClocksOptions,
) -> Result<ClocksReport, ChaosError> {
    let mut group = Group::start(host, prepared(group)).await?;
    let client = group.client()?;
    register(&client, MUTE).await?;
    let (stop, told) = (CancellationToken::new(), Arc::<Mutex<Vec<(Beating, u64)>>>::default());
    let mut tasks = Vec::new();
    for number in 0..options.nodes {
        let node_id = format!("clock-{number}");
        register(&client, &node_id).await?;
        let beat = beat(host.clone(), client.clone(), node_id, number, stop.clone());
        let told = Arc::clone(&told);
        tasks.push(host.spawner.spawn("clock", async move {
            let beaten = beat.await;
            told.lock().unwrap_or_else(PoisonError::into_inner).push(beaten);
        }));
    }
    let began_ms = host.clock.wall_ms();
    host.clock.sleep(options.duration).await;
    let leader = group.leader(LIMIT).await?;
    group.kill(leader).await?;
    group.bring_back(leader, LIMIT).await?;
    host.clock.sleep(options.duration).await;
    let failovers = vec![Window { from_ms: began_ms, until_ms: host.clock.wall_ms() }];
    stop.cancel();
    for task in tasks {
        task.join().await;
    }
    let beaten = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    let beats = beaten.iter().map(|(_, beats)| beats).sum();
    let journals = evidence::group::journals(&group).await?;
    let beating = beaten.into_iter().map(|(beating, _)| beating).collect();
    let evidence = Evidence { journals, beating, failovers, ..Evidence::default() };
    let invariants = invariants::judge(&INVARIANTS, &evidence);
    let mut violations = invariants::unmet(&invariants);
    let is_mute = |event: &api::FleetEvent| {
        event.kind == "node-lost" && event.subject.strip_prefix("node/") == Some(MUTE)
    };
    if !evidence.journal().iter().any(is_mute) {
        violations.push("a node that never beat was not declared lost".to_owned());
    }
    Ok(ClocksReport { nodes: options.nodes, beats, invariants, violations })
}

async fn register(client: &Client, node_id: &str) -> Result<(), ChaosError> {
    let request = api::RegisterNodeRequest {
        node_id: node_id.to_owned(),
        provider: "chaos".to_owned(),
        ..Default::default()
    };
    let told = client.call::<RegisterNode>(request, &CallOptions::within(LIMIT)).await;
    told.map(drop).map_err(ChaosError::call("register a node"))
}

/// Beats until `stop`: the stretch in which every beat was acknowledged, and how many were. A beat that fails begins
/// the stretch anew.
async fn beat(
    host: Host,
    client: Client,
    node_id: String,
    number: u32,
    stop: CancellationToken,
) -> (Beating, u64) {
    let (mut since_ms, mut beats) = (host.clock.wall_ms(), 0);
    while !stop.is_cancelled() {
        let wall_ms = host.clock.wall_ms();
        let own_ms = match number % 3 {
            0 => wall_ms,
            1 => wall_ms.saturating_sub(SKEW_MS),
            _ => wall_ms.saturating_add(SKEW_MS),
        };
        let timestamp = Some(from_unix_ms(own_ms));
        let request =
            api::HeartbeatRequest { node_id: node_id.clone(), timestamp, ..Default::default() };
        match client.call::<Heartbeat>(request, &CallOptions::within(LIMIT)).await {
            Ok(_) => beats += 1,
            Err(_) => since_ms = host.clock.wall_ms(),
        }
        host.clock.sleep(HEARTBEAT).await;
    }
    let window = Window { from_ms: since_ms, until_ms: host.clock.wall_ms() };
    (Beating { node_id, machine: String::new(), window }, beats)
}

fn prepared(group: GroupOptions) -> GroupOptions {
    let server = vec![
        format!("heartbeat_interval: {}ms", HEARTBEAT.as_millis()),
        format!("heartbeat_timeout: {}ms", TIMEOUT.as_millis()),
        // It would hide what it is there to hide: that many are lost at once.
        "breaker: {open_above_percent: 100}".to_owned(),
    ];
    GroupOptions { fleet: FleetFile { server, sections: String::new() }, ..group }
}

impl Report for ClocksReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let figures = [row("nodes", self.nodes.to_string()), row("beats", self.beats.to_string())];
        figures.into_iter().chain(self.invariants.iter().map(InvariantRecord::row)).collect()
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
