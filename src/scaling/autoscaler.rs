use navarch_proto::fleet::{Autoscaling, autoscaling::Strategy};

use super::{Decision, Needs, PoolView, decide};

/// Says how many machines a pool should have: a pure function of a [`PoolView`].
///
/// The strategies that a configuration can name are autoscalers, and so is whatever a program that embeds the
/// control plane brings along. It is asked on the leader at each pass, and again wherever somebody asks why the
/// pool has its size, so the same view must give the same decision, and at once: no clock, no random draw, no memory, no waiting. What it
/// may go by is in the view; figures from elsewhere come as those of a metrics source.
///
/// Nobody's decision goes past the pool's limits, an operator's hold or a pause; a cooldown lets nothing but
/// repairs pass.
pub trait Autoscaler: Send + Sync {
    /// Its name in reasons. One that a program brings along begins with `x-`.
    fn name(&self) -> &str;

    /// The figures that it goes by; only those are gathered.
    fn needs(&self) -> Needs;

    /// What it recommends.
    fn decide(&self, view: &PoolView) -> Decision;
}

/// The strategy that a pool is configured with. Without one its target stays within the limits.
impl Autoscaler for Option<Autoscaling> {
    fn name(&self) -> &str {
        match self.as_ref().and_then(|autoscaling| autoscaling.strategy.as_ref()) {
            None => "limits",
            Some(Strategy::Reactive(_)) => "reactive",
            Some(Strategy::Queue(_)) => "queue",
            Some(Strategy::Scheduled(_)) => "scheduled",
            Some(Strategy::Predictive(_)) => "predictive",
            Some(Strategy::Composite(_)) => "composite",
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(self.as_ref())
    }

    fn decide(&self, view: &PoolView) -> Decision {
        match self {
            Some(strategy) => decide(strategy, view),
            None => Decision::within_limits(view),
        }
    }
}
