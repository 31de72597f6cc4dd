//! The door between agreement and the state that is agreed on.
//!
//! | file | holds |
//! |---|---|
//! | `contract` | what the state must offer: [`StateMachine`], [`Image`] and their errors |

mod contract;

pub use contract::{ApplyFault, Image, InstallError, StateMachine};
