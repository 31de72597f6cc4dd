//! What a run leaves behind for the report: one JSON file a run.
//!
//! | file | for |
//! |---|---|
//! | `run_record` | [`RunRecord`]: all of a run |
//! | `fault_record` | [`FaultRecord`]: a fault, and whether it was injected |
//! | `invariant_record` | [`InvariantRecord`]: what must hold, and the evidence |
//! | `load_point` | [`LoadPoint`]: clients' throughput and latency over time |
//! | `availability_record` | [`AvailabilityRecord`]: how long writes waited after a fault |
//! | `availability_target` | [`AvailabilityTarget`]: what is claimed of that |
//! | `bug_record` | [`BugRecord`]: whether a planted bug was found |
//! | `rejoin_record` | [`RejoinRecord`]: how long a replica without a disk takes to come back |
//! | `seeds_record` | [`SeedsRecord`]: simulated runs |

mod availability_record;
mod availability_target;
mod bug_record;
mod fault_record;
mod invariant_record;
mod load_point;
mod rejoin_record;
mod run_record;
mod seeds_record;

pub use availability_record::AvailabilityRecord;
pub use availability_target::AvailabilityTarget;
pub use bug_record::BugRecord;
pub use fault_record::{FaultRecord, Injection};
pub use invariant_record::{InvariantRecord, Verdict};
pub use load_point::LoadPoint;
pub use rejoin_record::RejoinRecord;
pub use run_record::RunRecord;
pub use seeds_record::{FailedSeed, SeedsRecord};
