use std::time::Duration;

use async_trait::async_trait;
use navarch_fleet::FleetState;

use super::{Report, Tenure};

/// A control loop of the leader. It takes no input: it reads the fleet, plans what is missing and carries
/// it out, so that a lost wake-up or a crash between two steps only delays it.
#[async_trait]
pub trait Controller: Send + 'static {
    /// Its name in reports, in the journal and in metrics.
    fn name(&self) -> &'static str;

    /// The time between the starts of two passes, unless an event comes in between. `now_ms` is LogTime.
    fn period(&self, fleet: &FleetState, now_ms: u64) -> Duration;

    /// The kinds of fleet events after which a pass should follow soon, if somebody else caused them. An event
    /// is a hint, never data.
    fn wakes_on(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it also works while a restored fleet stands still: only what neither buys, gives back, gives up
    /// nor scales may. A new controller does not unless it says so.
    fn works_while_adopting(&self) -> bool {
        false
    }

    /// One pass.
    async fn reconcile(&mut self, tenure: &Tenure) -> Report;
}
