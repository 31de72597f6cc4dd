//! Light agents for simulated machines: what a control plane sees of a node, without a node. All of them run
//! in one task.
//!
//! | file | what is there |
//! |---|---|
//! | [`SimulatedAgents`] (`fleet.rs`) | the task, and the `AgentBooter` that hands machines to it |
//! | [`AgentOptions`] (`options.rs`) | whom they call and how busy they say they are |
//! | `life.rs` | one agent: register, beat, report health, obey; register again when it is not known |
//! | `obedience.rs` | executing each command once, whatever is delivered again |
//! | [`Receipts`], [`Receipt`] (`receipts.rs`) | what commands were got, for a checker |
//! | `readings.rs` | what a simulated node says of itself |

mod fleet;
mod life;
mod obedience;
mod options;
mod readings;
mod receipts;

pub use fleet::SimulatedAgents;
pub use options::AgentOptions;
pub use receipts::{Receipt, Receipts};
