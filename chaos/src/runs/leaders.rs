use std::{path::Path, time::Duration};

use clap::Args;
use navarch::{
    client::{
        CallOptions, Client,
        rpc::{GetFleetStatus, RegisterNode},
    },
    config::parse_duration,
};
use navarch_host::Moment;
use navarch_proto::api;
use serde::Serialize;

use super::{bench::bench, progress};
use crate::{
    error::ChaosError,
    host::Host,
    load::journal,
    proc::{FleetFile, Group, GroupOptions},
    report::Report,
    wait::until,
};

/// How long a replica may take to serve, or a group to elect: far above what it takes.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a replica that was killed stays away.
const AWAY: Duration = Duration::from_secs(3);
/// One node for so many that beat is registered at the end and never beats. They show that losses are seen at all, and
/// are fewer than may be declared lost in a minute.
const FOR_ONE_MUTE: usize = 20;
/// The load is ended by us, long before this.
const FOR_EVER: &str = "24h";

/// `navarch-chaos leaders`
#[derive(Args, Clone, Copy, Debug)]
pub struct LeadersOptions {
    /// Nodes that beat all the time
    #[arg(long, default_value_t = 1_000)]
    pub nodes: usize,
    /// Between two beats of a node; it is lost after three intervals without one
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Leaders to freeze, each for five intervals: longer than a node may be silent
    #[arg(long, default_value_t = 5)]
    pub freezes: usize,
    /// How long leaders are killed afterwards
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub kill_for: Duration,
    /// Between two kills
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub every: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct LeadersReport {
    /// Nodes that beat.
    pub nodes: usize,
    /// Leaders frozen, each until long after another led.
    pub frozen: usize,
    /// Leaders killed.
    pub killed: usize,
    /// Sessions that the journal tells of.
    pub sessions: usize,
    /// Nodes declared lost while they beat.
    pub lost: usize,
    /// Nodes that were registered at the end and never beat.
    pub mute: usize,
    /// Those of them that were declared lost.
    pub mute_lost: usize,
    /// What must not be: a node lost that beat, or none lost that did not.
    pub violations: Vec<String>,
}

/// Freezes and kills leaders under nodes that beat: none of them may be declared lost.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn leaders(
    host: &Host,
    group: GroupOptions,
    options: LeadersOptions,
) -> Result<LeadersReport, ChaosError> {
    let program = group.program.clone();
    let group = Group::start(host, prepared(group, options)).await?;
    let addresses = group.addresses();
    let client = group.client()?;
    let mut run = Run { host, group, client, options, frozen: 0, killed: 0 };
    tokio::select! {
        ended = beat(&program, addresses, options) => {
            let problem = match ended {
                Ok(()) => "ended before the run did".to_owned(),
                Err(error) => error.to_string(),
            };
            Err(ChaosError::Tool { program: "the load of heartbeats".to_owned(), problem })
        }
        report = run.strike() => report,
    }
}

async fn beat(
    program: &Path,
    addresses: Vec<String>,
    options: LeadersOptions,
) -> Result<(), ChaosError> {
    let nodes = options.nodes.to_string();
    let interval = format!("{}ms", options.interval.as_millis());
    let arguments =
        ["heartbeats", "--nodes", &nodes, "--interval", &interval, "--duration", FOR_EVER];
    bench(program, &addresses, &arguments.map(str::to_owned)).await.map(drop)
}

struct Run<'a> {
    host: &'a Host,
    group: Group,
    client: Client,
    options: LeadersOptions,
    frozen: usize,
    killed: usize,
}

impl Run<'_> {
    async fn strike(&mut self) -> Result<LeadersReport, ChaosError> {
        self.registered(self.options.nodes).await?;
        // Each has beaten once.
        self.host.clock.sleep(self.options.interval * 2).await;
        while self.frozen < self.options.freezes {
            self.freeze().await?;
        }
        let end = self.host.clock.now() + self.options.kill_for;
        while self.host.clock.now() < end {
            self.kill(self.host.clock.now() + self.options.every).await?;
        }
        // Whoever was to be lost by a new leader is lost by now.
        self.host.clock.sleep(self.options.interval * 6).await;
        let events = journal(&self.client, 0).await?;
        let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
        let last = events.last().map_or(0, |event| event.index);
        let mut report = LeadersReport {
            nodes: self.options.nodes,
            frozen: self.frozen,
            killed: self.killed,
            sessions: count("session-opened"),
            lost: count("node-lost"),
            mute: self.mute(),
            mute_lost: self.mute_lost(last).await?,
            violations: Vec::new(),
        };
        report.violations = report.complaints();
        Ok(report)
    }

    async fn registered(&self, nodes: usize) -> Result<(), ChaosError> {
        until(self.host, "the registration of all nodes", LIMIT, || async {
            let request = api::GetFleetStatusRequest::default();
            let options = CallOptions::within(LIMIT);
            let answer = self.client.call::<GetFleetStatus>(request, &options).await;
            let status = answer.map_err(|error| error.to_string())?.message;
            let known: u32 = status.nodes_by_status.values().sum();
            if known as usize == nodes { Ok(()) } else { Err(format!("{known} of {nodes}")) }
        })
        .await
    }

    /// The leader stands still, another one leads, and then the old one goes on where it was.
    async fn freeze(&mut self) -> Result<(), ChaosError> {
        let leader = self.group.leader(LIMIT).await?;
        self.group.pause(leader)?;
        self.host.clock.sleep(self.options.interval * 5).await;
        self.group.resume(leader)?;
        self.group.wait_ready(leader, LIMIT).await?;
        self.host.clock.sleep(self.options.interval * 3).await;
        self.frozen += 1;
        progress::say(self.frozen, self.options.freezes, "leaders frozen");
        Ok(())
    }

    async fn kill(&mut self, next: Moment) -> Result<(), ChaosError> {
        let leader = self.group.leader(LIMIT).await?;
        self.group.kill(leader).await?;
        self.host.clock.sleep(AWAY).await;
        self.group.bring_back(leader, LIMIT).await?;
        self.killed += 1;
        progress::say(self.killed, 0, "leaders killed");
        self.host.clock.sleep_until(next).await;
        Ok(())
    }

    fn mute(&self) -> usize {
        self.options.nodes.div_ceil(FOR_ONE_MUTE)
    }

    /// Registers nodes that never beat beside the others, and counts those that are lost after the event `since`.
    async fn mute_lost(&self, since: u64) -> Result<usize, ChaosError> {
        for number in 0..self.mute() {
            let request = api::RegisterNodeRequest {
                node_id: format!("mute-{number}"),
                provider: "bench".to_owned(),
                region: "bench-1".to_owned(),
                zone: "bench-1a".to_owned(),
                ..Default::default()
            };
            let options = CallOptions::within(LIMIT);
            let answer = self.client.call::<RegisterNode>(request, &options).await;
            answer.map_err(ChaosError::call("register a mute node"))?;
        }
        let end = self.host.clock.now() + LIMIT;
        loop {
            let events = journal(&self.client, since).await?;
            let lost = events.iter().filter(|event| event.kind == "node-lost");
            let lost = lost.filter(|event| event.subject.starts_with("node/mute-")).count();
            if lost == self.mute() || self.host.clock.now() >= end {
                return Ok(lost);
            }
            self.host.clock.sleep(self.options.interval).await;
        }
    }
}

fn prepared(group: GroupOptions, options: LeadersOptions) -> GroupOptions {
    let interval_ms = options.interval.as_millis();
    let server = vec![
        format!("heartbeat_interval: {interval_ms}ms"),
        format!("heartbeat_timeout: {}ms", 3 * interval_ms),
    ];
    GroupOptions { fleet: FleetFile { server, sections: String::new() }, ..group }
}

impl LeadersReport {
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.lost > 0 {
            complaints
                .push(format!("{} nodes were declared lost, and all of them beat", self.lost));
        }
        if self.sessions < 1 + self.frozen + self.killed {
            complaints
                .push(format!("only {} sessions: not every blow hit the leader", self.sessions));
        }
        if self.mute_lost < self.mute {
            complaints.push(format!(
                "of {} nodes that never beat {} were declared lost: a run that sees no losses shows nothing",
                self.mute, self.mute_lost
            ));
        }
        complaints
    }
}

impl Report for LeadersReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: usize| vec![name.to_owned(), value.to_string()];
        vec![
            row("nodes that beat", self.nodes),
            row("leaders frozen", self.frozen),
            row("leaders killed", self.killed),
            row("sessions", self.sessions),
            row("lost while they beat", self.lost),
            vec!["lost that never beat".to_owned(), format!("{} of {}", self.mute_lost, self.mute)],
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
