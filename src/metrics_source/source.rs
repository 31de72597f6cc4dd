use async_trait::async_trait;
use navarch_fleet::FleetState;
use navarch_proto::fleet::PoolSpec;

use super::Figures;
use crate::scaling::Needs;

/// What the autoscaler asks about a pool.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The fleet as it stands.
    pub fleet: &'a FleetState,
    /// The pool.
    pub pool: &'a PoolSpec,
    /// The figures that are asked for; what else an answer holds is left aside.
    pub needs: Needs,
    /// LogTime, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// One pass of the autoscaler.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// The fleet as it stands.
    pub fleet: &'a FleetState,
    /// The pools that will be asked about for their utilisation.
    pub pools: &'a [&'a PoolSpec],
    /// LogTime, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Tells figures of pools. It is asked on the leader alone, by each pass of the autoscaler and for many pools at
/// once, so an answer should be at hand: it is given two seconds, and one that waits holds up the others.
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// Its name in a pool's `metrics.order` and in reasons.
    fn name(&self) -> &str;

    /// Comes before the questions of one pass, all of which are about this state of the fleet at this time. A source
    /// that has to look at the nodes of many pools does it here, once.
    fn prepare(&self, _round: Round<'_>) {}

    /// What it has on a pool. An error is no data, with the reason.
    async fn figures(&self, question: Question<'_>) -> Figures;
}
