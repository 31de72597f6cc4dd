//! The door between agreement and the state that is agreed on.
//!
//! | file | holds |
//! |---|---|
//! | `contract` | what the state must offer: [`StateMachine`], [`Image`] and their errors |
//! | `applier` | openraft's `RaftStateMachine`: applies, answers, installs |
//! | `snapshot_job` | builds a snapshot while writes go on |

mod applier;
mod contract;
mod exclusive;
mod snapshot_job;

#[cfg(test)]
mod applier_test;
#[cfg(test)]
pub(crate) mod test_machine;

pub(crate) use applier::Applier;
pub use contract::{ApplyFault, Image, InstallError, StateMachine};
