//! The real control plane in simulated time: replicas, agents and clients on one thread, on a network, clocks, disks and a
//! cloud that a seed decides about.
//!
//! | file | for |
//! |---|---|
//! | `seed_run` | [`run_seed`]: one seed, from its group's start to the verdict |
//! | `plan`, `fault`, `kept` | which faults strike when, drawn from the seed |
//! | `stage` | the hosts, and what faults do to them |
//! | `replica` | one replica: what it stands on, and how it is started again |
//! | `network`, `tasks` | turmoil's network and a host's only thread, as a replica wants them |
//! | `cloud` | a cloud with faults and a ledger |
//! | `unrest` | what gives controllers something to do |
//! | `judge`, `peace` | load and checks; the wait until all is as it should be |
//! | `regressions` | [`REGRESSIONS`]: seeds that found something once |
//! | `trace` | the hash by which two runs of a seed are compared |
//! | `entropy` | chance and the time of day for a whole process, so that a run repeats itself |
//!
//! A run has two phases. In the first, faults strike a group under load. Then all is healed, and within a limit the
//! group must serve again, have lost nothing, and have bought and kept what its pools ask for.
//!
//! What is simulated: the network between replicas, agents and clients (delay, cuts in one or both directions, messages held
//! back), each replica's clocks and log (what was not synced is lost in a crash), the cloud, and chance. Snapshots and
//! identities are real files, which crashes leave alone. Not simulated: threads, sled, sockets, TLS; the runs with processes
//! have these.

mod cloud;
mod entropy;
mod fault;
mod judge;
mod kept;
mod network;
mod peace;
mod plan;
mod regressions;
mod replica;
mod seed_run;
mod stage;
mod tasks;
mod trace;
mod unrest;

pub use entropy::Entropy;
pub use fault::{Fault, FaultKind};
pub use kept::Kept;
pub use plan::Plan;
pub use regressions::REGRESSIONS;
pub use seed_run::{SeedOptions, SeedOutcome, run_seed};
