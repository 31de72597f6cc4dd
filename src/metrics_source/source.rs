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

/// Tells figures of pools. It is asked on the leader alone, by each pass of the autoscaler and for many pools at
/// once, so an answer should be at hand: it is given two seconds, and one that waits holds up the others.
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// Its name in a pool's `metrics.order` and in reasons.
    fn name(&self) -> &str;

    /// What it has on a pool. An error is no data, with the reason.
    async fn figures(&self, question: Question<'_>) -> Figures;
}
