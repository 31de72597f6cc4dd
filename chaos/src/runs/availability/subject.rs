use std::{path::Path, time::Duration};

use super::blow::Blow;
use crate::{error::ChaosError, load::Stream};

/// A group of replicas that is struck: ours, or etcd's.
pub(super) trait Subject {
    /// Whose, as the record has it.
    const SYSTEM: &'static str;

    /// Number of replicas.
    fn replicas(&self) -> usize;

    /// The name of replica `index`.
    fn name(&self, index: usize) -> String;

    /// Starts `clients` that write, each once its last write is answered.
    fn stream(&self, clients: usize) -> Result<Stream, ChaosError>;

    /// The replica that leads.
    async fn leader(&self) -> Result<usize, ChaosError>;

    /// Why a fault cannot be tried; `None`: it can.
    fn obstacle(&self, blow: Blow) -> Option<String>;

    /// Kills with -9.
    async fn kill(&mut self, index: usize) -> Result<(), ChaosError>;

    /// Lets a replica stand still, or go on.
    fn pause(&mut self, index: usize, paused: bool) -> Result<(), ChaosError>;

    /// Cuts a replica off from all others, or joins it to them again.
    fn isolate(&mut self, index: usize, cut: bool) -> Result<(), ChaosError>;

    /// Has the leader hand over.
    async fn transfer(&mut self, leader: usize) -> Result<(), ChaosError>;

    /// Stops with SIGTERM, and waits for the end.
    async fn terminate(&mut self, index: usize) -> Result<(), ChaosError>;

    /// Starts a replica that was ended; as another build if one is named.
    fn start(&mut self, index: usize, program: Option<&Path>) -> Result<(), ChaosError>;

    /// Waits until a replica serves.
    async fn ready(&mut self, index: usize) -> Result<(), ChaosError>;

    /// Remembers where the replicas' logs end.
    fn mark(&mut self);

    /// What passed within the group since the last mark, after a fault at `wall_ms` that ended the time of the leader
    /// `old`.
    async fn phases(&self, wall_ms: u64, old: usize) -> Result<Phases, ChaosError>;
}

/// What passed within a group after a fault, as far as it is told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Phases {
    /// From the fault until a replica began an election.
    pub(super) detect: Option<Duration>,
    /// From there until it led.
    pub(super) elect: Option<Duration>,
    /// From the fault until a controller of the new leader had made its first pass.
    pub(super) first_act: Option<Duration>,
}
