use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Group, Process, Proxy, proxy::Witness};
use crate::{error::ChaosError, host::Host};

/// Real agents, each a process, that reach the replicas through proxies.
pub struct Agents {
    proxies: Vec<Proxy>,
    agents: Vec<Agent>,
}

/// One of them.
pub struct Agent {
    /// The node that it speaks for.
    pub node_id: String,
    /// What it leaves on the disk.
    pub directory: PathBuf,
    /// Its process.
    pub process: Process,
}

impl Agents {
    /// Starts proxies of all replicas, and lays agents out; `arguments` has what each gets besides, by its directory.
    ///
    /// # Errors
    ///
    /// If a port or a directory is not to be had.
    pub async fn lay_out(
        host: &Host,
        (group, program): (&Group, &Path),
        count: usize,
        witness: Witness,
        arguments: impl Fn(&Path) -> Vec<String>,
    ) -> Result<Self, ChaosError> {
        let mut proxies = Vec::new();
        for address in group.addresses() {
            proxies.push(Proxy::start(host, &address, witness.clone()).await?);
        }
        let servers: Vec<_> = proxies.iter().map(Proxy::address).collect();
        let servers = servers.join(",");
        let mut agents = Vec::new();
        for number in 1..=count {
            let node_id = format!("agent-{number}");
            let directory = group.directory().join(&node_id);
            let made = fs::create_dir_all(&directory);
            made.map_err(ChaosError::system(format!("make {}", directory.display())))?;
            let state = directory.join("state").display().to_string();
            let own = ["agent", "--server", &servers, "--node-id", &node_id, "--state-dir", &state];
            let own = own.map(str::to_owned).into_iter();
            let arguments = own.chain(arguments(&directory)).collect();
            let log = directory.join("agent.log");
            let process = Process::new(&node_id, program, arguments, log);
            agents.push(Agent { node_id, directory, process });
        }
        Ok(Self { proxies, agents })
    }

    /// All agents.
    pub fn all(&self) -> &[Agent] {
        &self.agents
    }

    /// All agents, to be struck.
    pub fn all_mut(&mut self) -> &mut [Agent] {
        &mut self.agents
    }

    /// Starts those that do not run.
    ///
    /// # Errors
    ///
    /// If one cannot be started.
    pub fn start(&mut self) -> Result<(), ChaosError> {
        let mut stopped = self.agents.iter_mut().filter(|agent| agent.process.id().is_none());
        stopped.try_for_each(|agent| agent.process.start())
    }

    /// Loses so many of each hundred answers.
    pub fn lose(&self, percent: u64) {
        self.proxies.iter().for_each(|proxy| proxy.lose(percent));
    }

    /// Cuts all agents off from all replicas, or lets them reach them again.
    pub fn cut(&self, cut: bool) {
        self.proxies.iter().for_each(|proxy| proxy.cut(cut));
    }

    /// Answers that were passed on, and that were lost.
    pub fn answers(&self) -> (u64, u64) {
        let each = self.proxies.iter().map(Proxy::answers);
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}
