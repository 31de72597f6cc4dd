//! `navarch bench`: load from outside, as the command-line contract describes it.
//!
//! | module | what is there |
//! |---|---|
//! | `writes`, `heartbeats`, `reads`, `commands`, `reports` | the loads |
//! | `policy` | health policies on events, in this process |
//! | `controllers` | passes of the leader's control loops, in this process |
//! | `load` | closed loops and open loops of calls |
//! | `measure`, `histogram`, `report` | what they find, in bounded memory, and how it is told |

mod commands;
mod controllers;
mod heartbeats;
mod histogram;
mod load;
mod measure;
mod policy;
mod reads;
mod report;
mod reports;
mod writes;

use clap::Subcommand;

use super::{failure::Failure, invocation::Invocation};

/// Clients, nodes or connections at most: one process can hold so many.
const MOST: usize = 1_000_000;

/// `navarch bench ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Make durable, replicated writes of about 256 bytes (node registrations with distinct ids, which stay)
    Writes(writes::WritesArguments),
    /// Register nodes, then beat for all of them, spread over all replicas
    Heartbeats(heartbeats::HeartbeatsArguments),
    /// Read nodes, spread over all replicas
    Reads(reads::ReadsArguments),
    /// Order something of nodes whose agents wait, until the acknowledgement can be read; the nodes and what becomes of the
    /// commands stay
    Commands(commands::CommandsArguments),
    /// Report health of registered nodes, spread over all replicas
    Reports(reports::ReportsArguments),
    /// Time the leader's control loops on a fleet at rest, in this process and without a group
    Controllers(controllers::ControllersArguments),
    /// Time a health policy on an event of every kind, and the costliest policies that are accepted on the worst event
    Policy(policy::PolicyArguments),
}

impl BenchCommand {
    /// Whether it asks no replica anything.
    pub(crate) fn offline(&self) -> bool {
        matches!(self, Self::Controllers(_) | Self::Policy(_))
    }

    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Writes(arguments) => arguments.run(invocation).await,
            Self::Heartbeats(arguments) => arguments.run(invocation).await,
            Self::Reads(arguments) => arguments.run(invocation).await,
            Self::Commands(arguments) => arguments.run(invocation).await,
            Self::Reports(arguments) => arguments.run(invocation).await,
            Self::Controllers(arguments) => arguments.run(invocation).await,
            Self::Policy(arguments) => arguments.run(invocation),
        }
    }
}

/// Reads a number of at least 1.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("`{text}` is no number from 1 to {MOST}")),
    }
}
