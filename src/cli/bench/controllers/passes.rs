use std::time::Duration;

use futures::FutureExt as _;
use navarch_host::Clock;
use rustix::time::{ClockId, clock_gettime};

use super::{costs::Costs, fleet::BenchFleet};
use crate::cli::failure::Failure;

/// Between two passes: longer than any of their periods and than a node's time-out, so that each pass looks at
/// all there is.
const BETWEEN: Duration = Duration::from_secs(121);

impl BenchFleet {
    /// Has each controller make so many passes, with a heartbeat of every node before each.
    pub(super) async fn passes(&mut self, passes: usize, clock: &Clock) -> Result<Costs, Failure> {
        let mut costs = Costs::default();
        for _ in 0..passes {
            self.time.advance(BETWEEN).await;
            self.beat();
            self.cloud.prepare();
            let fleet = self.tenure.view().fleet;
            for controller in &mut self.controllers {
                let name = controller.name();
                let tenure = self.tenure.of(name);
                let (wall, processor) = (clock.now(), processor_time());
                let report = controller.reconcile(&tenure).now_or_never();
                // When it looks again is part of a pass.
                let _ = controller.period(&fleet, tenure.now_ms());
                let processor = processor_time().saturating_sub(processor);
                costs.add(name, clock.now().since(wall), processor);
                let report =
                    report.ok_or_else(|| Failure::refused(format!("{name} waits for somebody")))?;
                if report.failed > 0 {
                    return Err(Failure::refused(format!("{name}: {}", report.last_error)));
                }
            }
        }
        Ok(costs)
    }
}

/// What this thread has used of its processor: other programs on the machine count for nothing.
fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(spent.tv_nsec).unwrap_or(0))
}
