//! The agent on a node: it registers, beats, reports health and carries out node commands.
//!
//! | here | what |
//! |---|---|
//! | [`Agent`] (`node_agent`) | starts the loops below and ends them together |
//! | [`AgentConfig`], [`Diagnostic`] | who this node is and what the agent may do |
//! | `registration` | registers, and again when the group forgot the node, at a bounded pace |
//! | [`heartbeat`], `pace` | beats at the interval the group tells, and when to try again after failures |
//! | `collector` | takes what the GPUs have to tell into the outbox |
//! | `health`, `checks` | reports health events, and apart from them the checks that the group asks for |
//! | `outbox/` | health events from when they are seen until their report is acknowledged |
//! | `kernel_log/` | XIDs from the kernel's log |
//! | `commands`, `memory`, `diagnostic` | takes node commands, each carried out once |
//! | `state_dir` | where executed commands and health events outlive the process |
//! | `shared` | what the loops tell each other |
//! | `system` | CPU, memory and names from the operating system |
//! | [`gpu`] | GPUs: NVML, fakes, none |
//!
//! Every loop is a future of the one task that runs [`Agent::run`]; what may block (the GPU driver,
//! the kernel log, the disk under health events) has a thread of its own, so that it is reported instead of silencing the
//! node.

mod checks;
mod collector;
mod commands;
mod config;
mod diagnostic;
mod error;
pub mod gpu;
mod health;
pub mod heartbeat;
mod kernel_log;
mod memory;
mod node_agent;
mod outbox;
mod pace;
mod registration;
mod shared;
mod state_dir;
mod system;

pub use config::{AgentConfig, client_options};
pub use diagnostic::{BadDiagnostic, Diagnostic};
pub use error::AgentError;
pub use node_agent::Agent;
pub use outbox::OutboxBounds;
