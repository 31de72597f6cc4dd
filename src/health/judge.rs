use std::sync::{Arc, Mutex, PoisonError};

use navarch_fleet::{FleetState, LogTime};
use navarch_proto::api::ReportHealthRequest;

use super::{JudgeError, Past, Policy, PolicyError, Verdict, judging::Judging};

/// How long a report may be judged before other calls have their turn, in microseconds, by the policy's own estimate of
/// its worst event: 1 ms.
const TURN_US: u64 = 1_000;

/// Judges health reports by the fleet's policy, compiled once a revision.
#[derive(Default)]
pub struct Judge {
    compiled: Mutex<Option<Compiled>>,
}

/// The fleet's policy as this build has it.
#[derive(Clone)]
struct Compiled {
    policy: Arc<Policy>,
    /// Why it stands in for the fleet's; none: it is the fleet's.
    problem: Option<Arc<str>>,
}

impl Judge {
    /// The verdict on a report that came at `now` under a request id, after what its node reported before. It tells the
    /// revisions of the policy and of the history that it is by. Without a policy that compiles here, check results
    /// count as they are, and events are degraded.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] for a report beyond the bounds; nothing of it has been judged.
    pub async fn judge(
        &self,
        fleet: &FleetState,
        report: &ReportHealthRequest,
        (now, request_id): (LogTime, &str),
    ) -> Result<Verdict, JudgeError> {
        let history = fleet.history(&report.node_id).map(|history| &**history);
        let past = Past { history, now: now.max(fleet.log_time()), request_id };
        let policy = self.compiled(fleet).policy;
        let mut judging = Judging::begin(&policy, report, past)?;
        let (most_us, mut spent_us) = (policy.most_us(), 0);
        while judging.step() {
            spent_us += most_us;
            if spent_us >= TURN_US {
                spent_us = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(judging.verdict())
    }

    /// Why the fleet's policy judges nothing here: another build accepted what this one refuses. None: it judges.
    pub fn problem(&self, fleet: &FleetState) -> Option<Arc<str>> {
        self.compiled(fleet).problem
    }

    fn compiled(&self, fleet: &FleetState) -> Compiled {
        let revision = fleet.policy_revision();
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.as_ref().filter(|one| one.policy.revision() == revision) {
            return known.clone();
        }
        match Policy::compile(fleet.policy_yaml(), revision) {
            Ok(policy) => {
                let policy = Arc::new(policy);
                compiled.insert(Compiled { policy, problem: None }).clone()
            }
            Err(error) => {
                tracing::error!(
                    revision,
                    %error,
                    "the fleet's health policy does not compile here; checks are judged, events are degraded until \
                     `navarch apply` gives another policy"
                );
                let stands_in = Compiled {
                    policy: Arc::new(Policy::unusable(revision)),
                    problem: Some(error.to_string().into()),
                };
                match error {
                    // The text stays as it is: to compile it again with every report would hold all others up.
                    PolicyError::Invalid(_) => compiled.insert(stands_in).clone(),
                    // A machine short of threads may have one for the next report.
                    PolicyError::Compiler(_) => stands_in,
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "judge_test.rs"]
mod tests;
