//! Agreement among replicas.

mod codec;
mod directory;
mod error;
mod fatal;
mod log_store;
mod state_machine;
mod types;

pub use error::StoreError;
pub use fatal::FatalHook;
pub use state_machine::{ApplyFault, Image, InstallError, StateMachine};
