//! The fleet's records and what may become of them.
//!
//! | file | principal type |
//! |---|---|
//! | `node` | [`Node`]: a GPU machine as its agent registered it |
//! | `earlier_requests` | [`EarlierRequests`]: under which requests a node registered, or changed its health, lately |
//! | `inventory` | a node's GPUs and metadata, packed |
//! | `administrative` | [`Administrative`]: what people decided about a node, with its transition table |
//! | `health` | [`Health`]: what reports say about a node, and the latch |
//! | `node_history` | [`NodeHistory`]: the health events that a node reported lately |
//! | `rule_remark` | [`RuleRemark`]: what was said of a health rule that decided nothing |
//! | `liveness` | [`Liveness`]: whether a node beats; [`LastSeen`] is kept apart from the record |
//! | `instance` | [`Instance`]: a rented machine, from the order on |
//! | `instance_state` | [`InstanceState`] with its transition table |
//! | `cooldown` | [`Cooldown`]: until when a pool is not scaled by load, up and down |
//! | `given_up_gpu` | [`GivenUpGpu`]: what no machine may have again for a while |
//! | `pool` | [`Pool`]: desired capacity; [`PoolCounts`]: what there is |
//! | `pool_metrics` | [`PoolMetrics`]: what was told of a pool from outside |
//! | `node_command` | [`NodeCommand`]: an order to an agent, with its transition table |
//! | `adoption` | [`Adoption`]: a fleet that was restored and stands still |
//! | `backoff` | [`Backoff`]: a pause after capacity failures |
//! | `breaker` | [`Breaker`]: what stops losses and replacements of a [`BreakerScope`] |

mod administrative;
mod adoption;
mod backoff;
mod breaker;
mod cooldown;
mod earlier_requests;
mod given_up_gpu;
mod health;
mod instance;
mod instance_state;
pub(crate) mod inventory;
mod liveness;
mod node;
mod node_command;
mod node_history;
mod pool;
mod pool_metrics;
mod rule_remark;

pub(crate) use administrative::AdministrativeStep;
pub use administrative::{Administrative, Drain};
pub use adoption::Adoption;
pub use backoff::{Backoff, BackoffKey};
pub use breaker::{
    Breaker, BreakerCounts, BreakerKey, BreakerOverride, BreakerScope, Opening, Zone,
};
pub use cooldown::Cooldown;
pub(crate) use earlier_requests::{EarlierRequest, EarlierRequests};
pub use given_up_gpu::GivenUpGpu;
pub(crate) use health::Report;
pub(crate) use health::verdict_word;
pub use health::{Health, HealthFinding};
pub use instance::Instance;
pub(crate) use instance::Place;
pub use instance_state::InstanceState;
pub(crate) use instance_state::InstanceStep;
pub use liveness::{LastSeen, Liveness, Loss};
pub(crate) use node::status_word;
pub use node::{INSTANCE_LABEL, Node, POOL_LABEL};
pub(crate) use node_command::CommandStep;
pub(crate) use node_command::type_word;
pub use node_command::{CommandState, NodeCommand};
pub use node_history::{NodeHistory, RememberedEvent};
pub use pool::{Pool, PoolCounts};
pub use pool_metrics::{PoolMetrics, Told};
pub use rule_remark::{RuleRemark, RuleRemarkKey};
