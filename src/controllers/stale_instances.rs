use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{FleetState, Instance, InstanceState};
use navarch_proto::fleet::{FailInstance, FailureKind, proposal::Kind};

use crate::{
    leader::{Controller, Report, Tenure},
    liveness::Liveness,
};

const NAME: &str = "stale-instances";
/// However near the next deadline is.
const SHORTEST_PERIOD_MS: u64 = 1_000;

/// Fails machines that were bought and never registered; their termination follows.
pub(super) struct StaleInstances {
    liveness: Arc<Liveness>,
}

impl StaleInstances {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }
}

/// When each machine that has not registered is failed, in milliseconds of LogTime. A machine may have tried to
/// register while there was no leader, so after a new session each gets at least one heartbeat time-out.
fn deadlines(
    fleet: &FleetState,
    session_opened_ms: u64,
) -> impl Iterator<Item = (u64, &Arc<Instance>)> {
    let settings = fleet.settings();
    let grace_over_ms = session_opened_ms.saturating_add(settings.heartbeat_timeout_ms);
    let timeout_ms = settings.registration_timeout_ms;
    fleet.instances_in_state(InstanceState::PendingRegistration).map(move |instance| {
        (instance.state_since.plus_ms(timeout_ms).as_ms().max(grace_over_ms), instance)
    })
}

fn plan(fleet: &FleetState, session_opened_ms: u64, now_ms: u64) -> Vec<Kind> {
    let timeout_s = fleet.settings().registration_timeout_ms / 1_000;
    let stale = deadlines(fleet, session_opened_ms).filter(|&(at, _)| at <= now_ms);
    let fail = |(_, instance): (u64, &Arc<Instance>)| {
        Kind::FailInstance(FailInstance {
            instance_id: instance.id.as_str().to_owned(),
            kind: FailureKind::Stale.into(),
            reason: format!("no agent registered within {timeout_s} s of the purchase"),
            instance_revision: instance.revision.0,
        })
    };
    stale.map(fail).collect()
}

#[async_trait]
impl Controller for StaleInstances {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, now_ms: u64) -> Duration {
        // The configured interval is the longest; a deadline that comes before it is met on time.
        let interval_ms = fleet.settings().stale_check_interval_ms;
        let next = deadlines(fleet, self.liveness.session_opened_ms()).map(|(at, _)| at).min();
        let left_ms = next.map_or(u64::MAX, |at| at.saturating_sub(now_ms));
        Duration::from_millis(left_ms.clamp(SHORTEST_PERIOD_MS.min(interval_ms), interval_ms))
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        // It may bear a deadline that comes before everything known so far.
        &["instance-bought"]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let opened_ms = self.liveness.session_opened_ms();
        let steps = plan(&tenure.view().fleet, opened_ms, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "stale_instances_test.rs"]
mod tests;
