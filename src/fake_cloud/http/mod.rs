//! The fake cloud's HTTP side.
//!
//! | file | what is there |
//! |---|---|
//! | `router.rs` | paths, token, unknown paths and methods |
//! | `visit.rs` | one protocol request: who asks, and the faults before and after it |
//! | `instances.rs` | the protocol's handlers |
//! | `control.rs` | faults, kills, receipts, beats |
//! | `ledger_stream.rs` | the ledger as it is read out |
//! | `reply.rs` | answers and error bodies |
//! | `listener.rs` | connections: bounded in number, dropped without an answer where a fault says so |

mod control;
mod instances;
mod ledger_stream;
mod listener;
mod reply;
mod router;
mod visit;

pub(super) use listener::Listener;
pub(super) use router::{Service, router};
