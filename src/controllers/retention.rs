use std::time::Duration;

use async_trait::async_trait;
use navarch_fleet::{FleetState, LogTime};
use navarch_proto::fleet::{DropExpired, ExpireCommands, proposal::Kind};

use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "retention";
/// A record is dropped, and a command expires, this much after its time at most.
const PERIOD: Duration = Duration::from_secs(1);

/// Expires commands past their deadline and drops records that retention no longer keeps. Proposes only
/// when something is due: an idle fleet writes nothing.
pub(super) struct Retention;

#[async_trait]
impl Controller for Retention {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        PERIOD
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
