//! Faults composed: which befall a group, when, under what load, and what must hold of it afterwards.
//!
//! | file | for |
//! |---|---|
//! | `script` | [`Scenario`]: what a scenario file says, checked |
//! | `plan` | [`Plan`], [`Act`]: which fault begins when, drawn by a seed where the file leaves that open |
//! | `stage_set` | the group of a scenario, with network, disks, clocks and cloud that can be struck |
//! | `performance` | [`perform`](fn@perform): one scenario from start to judgement |
//! | `load` | clients or demand, started and stopped, and what they saw |
//! | `demand` | what a fleet of machines is asked for meanwhile |
//! | `peace` | the end of a scenario with machines: quiet, and the evidence |
//! | `load_points` | throughput and latency over time, from a history |
//! | `suite` | [`suite`](fn@suite): many scenarios, within a time |
//! | `coverage` | [`coverage`](fn@coverage): which faults and invariants a set of runs has seen |

mod coverage;
mod demand;
mod load;
mod load_points;
mod peace;
mod performance;
mod plan;
mod script;
mod stage_set;
mod suite;

pub use coverage::{Coverage, coverage};
pub use performance::{Performance, perform};
pub use plan::{Act, Plan};
pub use script::{Draws, Load, Machines, Scenario, Step};
pub use stage_set::Means;
pub use suite::{ScenarioOptions, SuiteReport, suite};
