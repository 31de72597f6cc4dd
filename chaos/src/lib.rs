//! Faults, histories and invariants, seen from outside: the shipped binary, real disks, real sockets. Nothing
//! here reaches into a replica.
//!
//! | module | for |
//! |---|---|
//! | [`proc`] | processes on this machine: a group of replicas, killed, paused, wiped and started again |
//! | [`load`] | clients that write and read, the history of what they were told, and the check against it |
//! | [`runs`] | the runs of the `navarch-chaos` binary, one file each |
//! | [`etcd`] | three replicas of etcd and a load of puts, to compare with |
//! | [`strace`] | what the kernel was asked to make durable, and when |
//! | [`record`] | what a run leaves behind for the report |
//! | [`report`] | how a run tells what it found |
//! | [`page`] | one page of all that runs left behind |
//!
//! A run ends in one of three ways: all is well, a violation was seen, or the run itself failed. The last two
//! are never taken for the first.

mod error;
pub mod etcd;
mod host;
pub mod load;
pub mod page;
pub mod proc;
pub mod record;
pub mod report;
pub mod runs;
pub mod strace;
mod wait;

pub use error::ChaosError;
pub use host::Host;
pub use wait::until;
