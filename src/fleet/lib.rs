//! The pure state machine of a GPU fleet: `(state, proposal, time) -> outcome + fleet events`.
//!
//! No clock, no randomness, no files, no tasks: time, ids and verdicts enter through the log entry, so that
//! every replica comes to the same state from the same log.
//!
//! | file | holds |
//! |---|---|
//! | `state` | [`FleetState`]: everything that the replicas agree on, and `apply`, the only way to change it |
//! | `view` | its read-only queries |
//! | `breakers` | what the breakers stop, and how they are shown |
//! | `forecast` | what would follow if adopt mode ended now |
//! | `wire` | the records as the public interface shows them |
//! | `model/` | nodes, instances, pools, node commands, with their transition tables |
//! | `table/` | the records with the indexes that find them |
//! | `proposal/` | one verb a file: check, then change |
//! | `codec/` | log entries and snapshots, versioned; the state hash |
//! | `request_table` | outcomes remembered under request ids |
//! | `journal` | the last fleet events |
//! | `event` | [`EventKind`]: what the journal tells of |
//! | `outcome` | [`Applied`], [`ApplyFault`] |
//! | `ids`, `time`, `limits`, `settings`, `text` | identifiers, [`LogTime`], bounds, defaults, shared texts |

mod breakers;
mod codec;
mod event;
mod forecast;
mod ids;
mod journal;
pub mod limits;
mod model;
mod outcome;
mod proposal;
mod request_table;
mod settings;
mod state;
mod table;
mod text;
mod time;
mod view;
mod wire;

#[cfg(test)]
mod fleet_test;

pub use codec::{ENVELOPE_FORMAT, SNAPSHOT_FORMAT, SnapshotError};
pub use event::EventKind;
pub use ids::{
    CommandId, IdError, InstanceId, NodeId, NodeNumber, PoolName, ProviderName, ProviderRef,
    Revision, SessionId,
};
pub use model::{
    Administrative, Adoption, Backoff, BackoffKey, Breaker, BreakerCounts, BreakerKey,
    BreakerOverride, BreakerScope, CommandState, Cooldown, Drain, GivenUpGpu, Health,
    HealthFinding, INSTANCE_LABEL, Instance, InstanceState, LastSeen, Liveness, Loss, Node,
    NodeCommand, NodeHistory, Opening, POOL_LABEL, Pool, PoolCounts, PoolMetrics, RememberedEvent,
    RuleRemark, RuleRemarkKey, Told, Zone,
};
pub use outcome::{Applied, ApplyFault};
pub use state::{FleetState, Session};
pub use time::LogTime;
