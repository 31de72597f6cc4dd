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
fn stale(fleet: &FleetState, session_opened_ms: u64, now_ms: u64) -> Vec<&Arc<Instance>> {
    let settings = fleet.settings();
    let grace_over = session_opened_ms.saturating_add(settings.heartbeat_timeout_ms) <= now_ms;
    if !grace_over {
        return Vec::new();
    }
    fleet
        .instances_in_state(InstanceState::PendingRegistration)
        .filter(|instance| {
            let deadline = instance.state_since.plus_ms(settings.registration_timeout_ms);
            deadline.as_ms() <= now_ms
        })
        .collect()
}

#[async_trait]
impl Controller for StaleInstances {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState) -> Duration {
        Duration::from_millis(fleet.settings().stale_check_interval_ms)
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        let timeout_s = fleet.settings().registration_timeout_ms / 1_000;
        for instance in stale(&fleet, self.liveness.session_opened_ms(), tenure.now_ms()) {
            let fail = FailInstance {
                instance_id: instance.id.as_str().to_owned(),
                kind: FailureKind::Stale.into(),
                reason: format!("no agent registered within {timeout_s} s of the purchase"),
                instance_revision: instance.revision.0,
            };
            report.count(tenure.propose(NAME, Kind::FailInstance(fail)).await.map(drop));
        }
        report
    }
}
