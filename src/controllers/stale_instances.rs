use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{FleetState, Instance, InstanceState};
use navarch_proto::fleet::{FailInstance, FailureKind, proposal::Kind};

use crate::{
    leader::{Controller, Report, Tenure},
    liveness::Liveness,
};

const NAME: &str = "stale-instances";

/// Fails machines that were bought and never registered; their termination follows.
pub(super) struct StaleInstances {
    liveness: Arc<Liveness>,
}

impl StaleInstances {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }
}

/// Instances past their registration time-out. A machine may have tried to register while there was no
/// leader, so after a new session each gets at least one heartbeat time-out more.
fn plan(fleet: &FleetState, session_opened_ms: u64, now_ms: u64) -> Vec<Kind> {
    let settings = fleet.settings();
    if session_opened_ms.saturating_add(settings.heartbeat_timeout_ms) > now_ms {
        return Vec::new();
    }
    let timeout_ms = settings.registration_timeout_ms;
    let pending = fleet.instances_in_state(InstanceState::PendingRegistration);
    let stale = pending.filter(|one| one.state_since.plus_ms(timeout_ms).as_ms() <= now_ms);
    let fail = |instance: &Arc<Instance>| {
        Kind::FailInstance(FailInstance {
            instance_id: instance.id.as_str().to_owned(),
            kind: FailureKind::Stale.into(),
            reason: format!("no agent registered within {} s of the purchase", timeout_ms / 1_000),
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

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        Duration::from_millis(fleet.settings().stale_check_interval_ms)
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
