use std::sync::{Arc, Mutex, PoisonError};

use navarch_fleet::{FleetState, LogTime};
use navarch_proto::api::ReportHealthRequest;

use super::{JudgeError, Past, Policy, PolicyError, Verdict};

/// Why a report got no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Unjudged {
    /// The report is beyond the bounds.
    #[error(transparent)]
    Report(#[from] JudgeError),
    /// The fleet's policy does not compile; such a one is refused before it gets into the log.
    #[error("the fleet's health policy: {0}")]
    Policy(#[from] PolicyError),
}

/// Judges health reports by the fleet's policy, compiled once a revision.
#[derive(Default)]
pub struct Judge {
    compiled: Mutex<Option<Arc<Policy>>>,
}

impl Judge {
    /// The verdict on a report that came at `now` under a request id, after what its node reported before. It tells the
    /// revisions of the policy and of the history that it is by.
    ///
    /// # Errors
    ///
    /// [`Unjudged`]; nothing of the report has been judged.
    pub fn judge(
        &self,
        fleet: &FleetState,
        report: &ReportHealthRequest,
        (now, request_id): (LogTime, &str),
    ) -> Result<Verdict, Unjudged> {
        let history = fleet.history(&report.node_id).map(|history| &**history);
        let past = Past { history, now: now.max(fleet.log_time()), request_id };
        Ok(self.policy(fleet)?.judge_after(report, past)?)
    }

    fn policy(&self, fleet: &FleetState) -> Result<Arc<Policy>, PolicyError> {
        let revision = fleet.policy_revision();
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = compiled.as_ref().filter(|policy| policy.revision() == revision) {
            return Ok(Arc::clone(policy));
        }
        let policy = Arc::new(Policy::compile(fleet.policy_yaml(), revision)?);
        *compiled = Some(Arc::clone(&policy));
        Ok(policy)
    }
}
