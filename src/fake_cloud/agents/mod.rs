//! Light agents for simulated machines: what a control plane sees of a node, without a node. All of them run
//! in one task.
//!
//! | file | what is there |
//! |---|---|
//! | [`SimulatedAgents`] (`fleet.rs`) | the task, and the `AgentBooter` that hands machines to it |
//! | [`AgentOptions`] (`options.rs`) | whom they call, and whose figures they tell |
//! | [`Loads`] (`loads.rs`) | how busy the GPUs of pools are, over time |
//! | [`Ailments`], [`Ailment`] (`ailments.rs`) | what is wrong with nodes |
//! | `life.rs` | one agent: register, beat, report health, obey; register again when it is not known |
//! | `obedience.rs` | executing each command once, whatever is delivered again |
//! | [`Receipts`], [`Receipt`] (`receipts.rs`) | what commands were got, for a checker |
//! | [`Beats`], [`Stretch`] (`beats.rs`) | when nodes beat without a gap, for a checker |
//! | `readings.rs` | what a simulated node says of itself |

mod ailments;
mod beats;
mod fleet;
mod life;
mod loads;
mod obedience;
mod options;
mod readings;
mod receipts;

pub use ailments::{Ailment, Ailments};
pub use beats::{Beats, Stretch};
pub use fleet::SimulatedAgents;
pub use loads::Loads;
pub use options::AgentOptions;
pub(crate) use readings::health_report;
pub use receipts::{Receipt, Receipts};
