use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    blow::Blow,
    ours::cut_off,
    subject::{Phases, Subject},
};
use crate::{
    error::ChaosError,
    etcd::EtcdGroup,
    host::Host,
    load::Stream,
    proc::links::{Effect, Rule, RuleId},
};

/// As many as of ours by default.
const REPLICAS: usize = 3;

/// A group of etcd, of which nothing is known but what its clients see.
pub(super) struct Theirs {
    group: EtcdGroup,
    /// What cuts a replica off now.
    cut: Option<RuleId>,
    /// Where it lies, if no directory was given.
    _directory: Option<TempDir>,
}

impl Theirs {
    /// Starts as many replicas as of ours by default, in `directory` if one is given, with links that can be cut if
    /// `linked`.
    pub(super) async fn start(
        host: &Host,
        program: &Path,
        directory: Option<PathBuf>,
        linked: bool,
    ) -> Result<Self, ChaosError> {
        let (path, temporary) = match directory {
            Some(given) => (given, None),
            None => {
                let made = tempfile::Builder::new().prefix("navarch-chaos-etcd-").tempdir();
                let made = made.map_err(ChaosError::system("make etcd's directory"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let group = EtcdGroup::start(host, program, &path, (REPLICAS, linked)).await?;
        Ok(Self { group, cut: None, _directory: temporary })
    }
}

impl Subject for Theirs {
    const SYSTEM: &'static str = "etcd";

    fn replicas(&self) -> usize {
        self.group.len()
    }

    fn name(&self, index: usize) -> String {
        self.group.name(index).to_owned()
    }

    fn stream(&self, clients: usize) -> Result<Stream, ChaosError> {
        self.group.stream(clients)
    }

    async fn leader(&self) -> Result<usize, ChaosError> {
        self.group.leader_index().await
    }

    fn obstacle(&self, blow: Blow) -> Option<String> {
        match blow {
            Blow::RollingUpgrade => Some("there is one build of etcd".to_owned()),
            Blow::Kill | Blow::Pause | Blow::Isolate | Blow::Transfer | Blow::RollingRestart => {
                None
            }
        }
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
            problem: "this group of etcd was started without any".to_owned(),
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

    async fn transfer(&mut self, leader: usize) -> Result<(), ChaosError> {
        self.group.transfer(leader).await
    }

    async fn terminate(&mut self, index: usize) -> Result<(), ChaosError> {
        self.group.terminate(index).await
    }

    fn start(&mut self, index: usize, _program: Option<&Path>) -> Result<(), ChaosError> {
        self.group.start_replica(index)
    }

    async fn ready(&mut self, index: usize) -> Result<(), ChaosError> {
        self.group.wait_ready(index).await
    }

    fn mark(&mut self) {}

    async fn phases(&self, _wall_ms: u64, _old: usize) -> Result<Phases, ChaosError> {
        Ok(Phases::default())
    }
}
