//! Faults, histories and invariants, seen from outside: the shipped binary, real disks, real sockets. Nothing
//! but the simulation reaches into a replica.
//!
//! | module | for |
//! |---|---|
//! | [`proc`] | processes on this machine: a group of replicas, killed, paused, wiped and started again |
//! | [`faults`] | what can go wrong, one file each |
//! | [`shim`] | what stands between a replica and its disk and clock: levers, and power cuts |
//! | [`load`] | clients that write and read, the history of what they were told, and the check against it |
//! | [`history`] | what clients asked and were told, event by event |
//! | [`checkers`] | what histories and replicas show by themselves: registers, sets, journals, states |
//! | [`evidence`] | what a run has in hand when it is judged |
//! | [`invariants`] | what must hold whatever happens, one file each, used by all layers |
//! | [`sim`] | the real control plane in simulated time |
//! | [`mutants`] | bugs that are planted on purpose, and which invariant must find each |
//! | [`scenario`] | faults composed by files, performed and judged |
//! | `operator` | what people do about a fleet at the end: take nodes back that are well, close breakers |
//! | [`runs`] | the runs of the `navarch-chaos` binary, one file each |
//! | [`etcd`] | three replicas of etcd and a load of puts, to compare with |
//! | [`strace`] | what the kernel was asked to make durable, and when |
//! | [`record`] | what a run leaves behind for the report |
//! | [`report`] | how a run tells what it found |
//! | [`page`] | one page of all that runs left behind |
//!
//! A run ends in one of three ways: all is well, a violation was seen, or the run itself failed. The last two
//! are never taken for the first.

pub mod checkers;
mod error;
pub mod etcd;
pub mod evidence;
pub mod faults;
pub mod history;
mod host;
pub mod invariants;
pub mod load;
mod members;
pub mod mutants;
mod operator;
pub mod page;
mod preload;
pub mod proc;
pub mod record;
pub mod report;
pub mod runs;
pub mod scenario;
pub mod shim;
pub mod sim;
pub mod strace;
mod wait;

pub use error::ChaosError;
pub use host::Host;
pub use members::Members;
pub use wait::until;
