//! A cloud to try things on: the HTTP provider protocol with a ledger, faults and simulated agents
//! (`navarch fake-cloud`). Its ledger is the ground truth of what was bought and given back; it survives
//! whatever happens to the control plane, and the fake cloud's own restarts.
//!
//! | here | what |
//! |---|---|
//! | [`serve`], [`FakeCloud`] (`service.rs`) | the whole of it, started and stopped |
//! | [`FakeCloudOptions`] (`options.rs`), [`FakeCloudError`] (`error.rs`) | what it takes to start, and why it does not |
//! | [`Controls`] (`controls.rs`), [`Watcher`] (`watcher.rs`) | for a program that runs a fake cloud in its own process: levers, and news of machines |
//! | `estate.rs`, `delayed.rs`, `inner.rs` | the machines, the ledger and the faults as one: every effect is on disk before it is told of |
//! | [`ledger`] | the file: lines, writer, replay |
//! | [`faults`] | what goes wrong, how often, decided by seed and request number |
//! | `http/` | the protocol's handlers, the listener |
//! | [`agents`] | thousands of light agents in one task |
//!
//! # Beyond the protocol
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/ledger` | JSON lines, see [`ledger::LedgerEntry`] |
//! | `PUT /v1/faults`, `GET /v1/faults` | sets and shows the faults, see [`faults::FaultPlan`] |
//! | `POST /v1/admin/instances/{id}/kill` | pulls the plug of a machine's agent. Body, optional: `{"machine": M}`, M one of `stays` (the default: rented, silent), `terminates` (the cloud takes it back, as with a spot machine), `vanishes` (no longer listed, 404 by id). 200 with the machine, or 404 |
//! | `POST /v1/admin/instances/{id}/revive` | boots an agent again. 200 with the machine, 404, or 409 if it is not live |
//! | `GET /v1/admin/receipts` | JSON lines, one a node command that a simulated agent got: see [`agents::Receipt`] |
//! | `GET /v1/admin/beats` | JSON lines, one a node of a simulated agent: `node_id`, and `stretches`, each an [`agents::Stretch`] |
//!
//! Faults, ledger and admin requests are not subject to faults; only kills enter the ledger. With a token set,
//! every request needs it.

pub mod agents;
pub mod faults;
pub mod ledger;

mod controls;
mod delayed;
mod error;
mod estate;
mod http;
mod inner;
mod options;
mod service;
mod watcher;

pub use controls::Controls;
pub use error::FakeCloudError;
pub use options::FakeCloudOptions;
pub use service::{FakeCloud, serve};
pub use watcher::Watcher;
