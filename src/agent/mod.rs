//! The agent on a node: it registers, beats, reports health and carries out node commands.
//!
//! | here | what |
//! |---|---|
//! | [`Agent`] (`node_agent`) | starts the four loops below and ends them together |
//! | [`AgentConfig`], [`Diagnostic`] | who this node is and what the agent may do |
//! | `registration` | registers, and again when the group forgot the node, at a bounded pace |
//! | `heartbeat` | beats at the interval the group tells |
//! | `health` | runs the checks that the group asks for and reports GPU events |
//! | `commands`, `memory`, `diagnostic` | takes node commands, each carried out once |
//! | `shared` | what the loops tell each other |
//! | `system` | CPU, memory and names from the operating system |
//! | [`gpu`] | GPUs: NVML, fakes, none |
//!
//! Every loop is a future of the one task that runs [`Agent::run`]; what may block (the GPU driver) has a
//! thread of its own, so that a hung driver is reported instead of silencing the node.

mod commands;
mod config;
mod diagnostic;
mod error;
pub mod gpu;
mod health;
mod heartbeat;
mod memory;
mod node_agent;
mod registration;
mod shared;
mod system;

pub use config::{AgentConfig, client_options};
pub use diagnostic::{BadDiagnostic, Diagnostic};
pub use error::AgentError;
pub use node_agent::Agent;
