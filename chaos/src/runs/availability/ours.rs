use std::{collections::BTreeSet, path::Path, time::Duration};

use navarch::client::{
    CallOptions,
    rpc::{GetFleetStatus, TransferLeader},
};
use navarch_proto::api;

use super::{
    blow::Blow,
    elections::{Elections, LOG_LEVEL},
    subject::{Phases, Subject},
};
use crate::{
    error::ChaosError,
    host::Host,
    load::Stream,
    proc::{
        Group, GroupOptions,
        links::{Effect, Party, Rule, RuleId, both_ways},
    },
    wait::until,
};

/// How long a replica may take to serve again, or a group to elect: far above what either takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A group of Navarch.
pub(super) struct Ours {
    host: Host,
    group: Group,
    elections: Elections,
    /// What cuts a replica off now.
    cut: Option<RuleId>,
}

impl Ours {
    /// Starts a group whose logs tell of elections.
    pub(super) async fn start(host: &Host, mut options: GroupOptions) -> Result<Self, ChaosError> {
        options.environment.push(("RUST_LOG".to_owned(), LOG_LEVEL.to_owned()));
        let group = Group::start(host, options).await?;
        Ok(Self { host: host.clone(), group, elections: Elections::default(), cut: None })
    }

    /// Waits for the replica that leads in the place of `old`.
    async fn successor(&self, old: usize) -> Result<usize, ChaosError> {
        until(&self.host, "another leader", LIMIT, || async {
            let leader = self.group.leader(LIMIT).await.map_err(|error| error.to_string())?;
            if leader == old { Err("the old one leads".to_owned()) } else { Ok(leader) }
        })
        .await
    }

    /// When the first pass of a controller of `leader` ended, milliseconds since the Unix epoch. Each controller's
    /// last pass is told, and some rest for so long that theirs is the first.
    async fn first_pass(&self, leader: usize, since_ms: u64) -> Result<u64, ChaosError> {
        let client = self.group.client_of(leader);
        until(&self.host, "a controller's first pass", LIMIT, || async {
            let options = CallOptions { stale: true, ..CallOptions::within(LIMIT) };
            let request = api::GetFleetStatusRequest::default();
            let answer = client.call::<GetFleetStatus>(request, &options).await;
            let told = answer.map_err(|error| error.to_string())?.message.controllers;
            let ended = told.iter().filter_map(|report| wall_ms(report.finished_at.as_ref()?));
            let first = ended.filter(|ended| *ended >= since_ms).min();
            first.ok_or_else(|| format!("{} reports", told.len()))
        })
        .await
    }
}

impl Subject for Ours {
    const SYSTEM: &'static str = "navarch";

    fn replicas(&self) -> usize {
        self.group.len()
    }

    fn name(&self, index: usize) -> String {
        self.group.name(index).to_owned()
    }

    fn stream(&self, clients: usize) -> Result<Stream, ChaosError> {
        Stream::start(&self.host, &self.group, clients)
    }

    async fn leader(&self) -> Result<usize, ChaosError> {
        self.group.leader(LIMIT).await
    }

    fn obstacle(&self, _blow: Blow) -> Option<String> {
        None
    }

    async fn kill(&mut self, index: usize) -> Result<(), ChaosError> {
        self.group.kill(index).await
    }

    fn pause(&mut self, index: usize, paused: bool) -> Result<(), ChaosError> {
        if paused { self.group.pause(index) } else { self.group.resume(index) }
    }

    fn isolate(&mut self, index: usize, cut: bool) -> Result<(), ChaosError> {
        let replicas = self.group.len();
        let links = self.group.links().ok_or_else(|| ChaosError::Tool {
            program: "the links".to_owned(),
            problem: "this group was started without any".to_owned(),
        })?;
        if let Some(rule) = self.cut.take() {
            links.remove(rule);
        }
        if cut {
            let rule = Rule { roads: cut_off(index, replicas), effect: Effect::Stall };
            self.cut = Some(links.add(rule).0);
        }
        Ok(())
    }

    async fn transfer(&mut self, _leader: usize) -> Result<(), ChaosError> {
        let request = api::TransferLeaderRequest { to: 0 };
        let client = self.group.client()?;
        let answer = client.call::<TransferLeader>(request, &CallOptions::within(LIMIT)).await;
        answer.map(drop).map_err(ChaosError::call("transfer leadership"))
    }

    async fn terminate(&mut self, index: usize) -> Result<(), ChaosError> {
        self.group.terminate(index).await
    }

    fn start(&mut self, index: usize, program: Option<&Path>) -> Result<(), ChaosError> {
        if let Some(program) = program {
            self.group.run_from(index, program);
        }
        self.group.start_replica(index)
    }

    async fn ready(&mut self, index: usize) -> Result<(), ChaosError> {
        self.group.wait_ready(index, LIMIT).await
    }

    fn mark(&mut self) {
        let logs = (0..self.group.len()).map(|index| self.group.log(index));
        self.elections = Elections::since_now(logs.collect());
    }

    async fn phases(&self, wall_ms: u64, old: usize) -> Result<Phases, ChaosError> {
        let leader = self.successor(old).await?;
        let acted_ms = self.first_pass(leader, wall_ms).await?;
        let election = self.elections.first(wall_ms)?;
        let fault_us = i64::try_from(wall_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let micros = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
        Ok(Phases {
            detect: Some(micros(election.begun_us - fault_us)),
            elect: Some(micros(election.won_us - election.begun_us)),
            first_act: Some(Duration::from_millis(acted_ms - wall_ms)),
        })
    }
}

/// All roads between replica `index` and the others: what is said there is held back, and nobody is told.
pub(super) fn cut_off(index: usize, replicas: usize) -> BTreeSet<(Party, Party)> {
    let others: Vec<_> =
        (0..replicas).filter(|other| *other != index).map(Party::Replica).collect();
    both_ways(&[Party::Replica(index)], &others)
}

fn wall_ms(at: &prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(at.seconds).ok()?;
    let millis = u64::try_from(at.nanos).ok()? / 1_000_000;
    Some(seconds * 1_000 + millis)
}
