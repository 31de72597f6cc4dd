//! Agreement among replicas.

mod codec;
mod state_machine;
mod types;

pub use state_machine::{ApplyFault, Image, InstallError, StateMachine};
