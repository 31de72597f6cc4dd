//! How many machines a pool should have: pure functions of a [`PoolView`].
//!
//! | file | holds |
//! |---|---|
//! | `autoscaler` | [`Autoscaler`]: the seam, for the strategies here and for those of an embedding program |
//! | `autoscalers` | [`Autoscalers`]: which one a pool goes by |
//! | `own_name` | how names begin of what an embedding program brings along |
//! | `view` | [`PoolView`], all that a strategy may look at |
//! | `needs` | [`Needs`]: which figures a strategy goes by |
//! | `decision` | [`Decision`]: the target, the limits in force, and why |
//! | `plan` | [`plan_target`]: a strategy's decision under hold and cooldown |
//! | `inputs` | what a decision was made from, for the log |
//! | `reactive`, `queue`, `scheduled`, `predictive`, `composite` | one strategy each |
//!
//! Rules that all share: no data is not zero, so a strategy that misses its figures holds the
//! target and says so; whatever a strategy wants, the target lies within the limits in force; the
//! reason states the figures.
//!
//! A program that embeds the control plane brings autoscalers of its own: see `server::Plugins`. They may call
//! [`decide`] with a strategy of ours and go on from there.

mod autoscaler;
mod autoscalers;
mod composite;
mod decision;
mod inputs;
mod needs;
mod own_name;
mod plan;
mod predictive;
mod queue;
mod reactive;
mod scheduled;
mod view;

#[cfg(test)]
mod property_test;

use navarch_proto::fleet::{Autoscaling, autoscaling::Strategy};

pub use autoscaler::Autoscaler;
pub use autoscalers::Autoscalers;
pub use decision::{Cause, Decision};
pub use inputs::{from_inputs, to_inputs};
pub use needs::Needs;
pub use own_name::{OwnNameError, check_own_name};
pub use plan::{Gates, plan_target};
pub use view::{Limits, Origins, PoolView, Sample};

/// What a strategy recommends for a pool, whatever cooldown or hold is on it: see [`plan_target`]
/// for those. A message without a strategy in it keeps the target within the limits.
pub fn decide(strategy: &Autoscaling, view: &PoolView) -> Decision {
    match &strategy.strategy {
        None => Decision::within_limits(view),
        Some(Strategy::Reactive(reactive)) => reactive::decide(reactive, view),
        Some(Strategy::Queue(queue)) => queue::decide(queue, view),
        Some(Strategy::Scheduled(scheduled)) => scheduled::decide(scheduled, view),
        Some(Strategy::Predictive(predictive)) => predictive::decide(predictive, view),
        Some(Strategy::Composite(composite)) => composite::decide(composite, view),
    }
}
