use std::time::Duration;

use async_trait::async_trait;
use navarch_fleet::{FleetState, LogTime};
use navarch_proto::fleet::{DropExpired, ExpireCommands, proposal::Kind};

use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "retention";
/// Expiry never costs more than one entry of each kind a second.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// The longest time without a look.
const LONGEST_PERIOD: Duration = Duration::from_secs(60);

/// Expires commands past their deadline and drops records that retention no longer keeps. Proposes only
/// when something is due: an idle fleet writes nothing.
pub(super) struct Retention;

#[async_trait]
impl Controller for Retention {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, now_ms: u64) -> Duration {
        let next = fleet.next_command_deadline().into_iter().chain(fleet.next_drop()).min();
        let left_ms = next.map_or(u64::MAX, |at| at.as_ms().saturating_sub(now_ms));
        Duration::from_millis(left_ms).clamp(SHORTEST_PERIOD, LONGEST_PERIOD)
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        // It may bear a deadline that comes before everything known so far.
        &["command-queued"]
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let steps = plan(&tenure.view().fleet, LogTime::from_ms(tenure.now_ms()));
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

fn plan(fleet: &FleetState, now: LogTime) -> Vec<Kind> {
    let is_due = |at: Option<LogTime>| at.is_some_and(|at| at <= now);
    let expire = is_due(fleet.next_command_deadline());
    let drop_expired = is_due(fleet.next_drop());
    [
        expire.then_some(Kind::ExpireCommands(ExpireCommands {})),
        drop_expired.then_some(Kind::DropExpired(DropExpired {})),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
#[path = "retention_test.rs"]
mod tests;
