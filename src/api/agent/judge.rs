use std::sync::{Arc, Mutex, PoisonError};

use navarch_fleet::FleetState;
use navarch_proto::api::ReportHealthRequest;
use tonic::Status;

use crate::health::{Policy, Verdict};

/// Judges health reports by the fleet's policy, compiled once a revision.
#[derive(Default)]
pub(in crate::api) struct Judge {
    compiled: Mutex<Option<Arc<Policy>>>,
}

impl Judge {
    /// The verdict on a report, and the revision of the policy that judged it.
    pub(super) fn judge(
        &self,
        fleet: &FleetState,
        report: &ReportHealthRequest,
    ) -> Result<(Verdict, u64), Status> {
        let policy = self.policy(fleet)?;
        let verdict =
            policy.judge(report).map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok((verdict, policy.revision()))
    }

    fn policy(&self, fleet: &FleetState) -> Result<Arc<Policy>, Status> {
        let revision = fleet.policy_revision();
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = compiled.as_ref().filter(|policy| policy.revision() == revision) {
            return Ok(Arc::clone(policy));
        }
        let text = fleet.policy_yaml();
        let policy = Policy::compile(text, revision)
            .map_err(|error| Status::internal(format!("the fleet's health policy: {error}")))?;
        let policy = Arc::new(policy);
        *compiled = Some(Arc::clone(&policy));
        Ok(policy)
    }
}
