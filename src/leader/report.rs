use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch_fleet::LogTime;
use navarch_proto::{api::ControllerReport, fleet::RejectionCode};

use crate::ledger::{Committed, ProposeError};

/// What one pass of a controller did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps carried out.
    pub steps: u32,
    /// Steps that failed and will be tried again.
    pub failed: u32,
    /// Steps that came too late, because the record had moved since it was looked at.
    pub overtaken: u32,
    /// One line for a person; empty when there was nothing to do.
    pub summary: String,
    /// The last failure.
    pub last_error: String,
}

impl Report {
    /// Counts a proposed step. Breaks if another proposal would fare no better now.
    pub fn proposed(&mut self, outcome: Result<Committed, ProposeError>) -> ControlFlow<()> {
        let error = match outcome {
            Ok(_) => {
                self.steps += 1;
                return ControlFlow::Continue(());
            }
            Err(error) => error,
        };
        let next = match (&error, error.rejection_code()) {
            // The record moved since it was looked at. That is no failure: the next pass looks again.
            (_, Some(RejectionCode::Stale)) => {
                self.overtaken += 1;
                return ControlFlow::Continue(());
            }
            (_, Some(RejectionCode::Fenced)) => ControlFlow::Break(()),
            (ProposeError::Rejected { .. } | ProposeError::TooLarge { .. }, _) => {
                ControlFlow::Continue(())
            }
            (ProposeError::NotProposed { .. } | ProposeError::Unknown { .. }, _) => {
                ControlFlow::Break(())
            }
        };
        self.fail(error.to_string());
        next
    }

    /// Counts a failed step.
    pub fn fail(&mut self, error: impl Into<String>) {
        self.failed += 1;
        self.last_error = error.into();
    }
}

/// The last report of each controller of this replica's session.
#[derive(Clone, Debug, Default)]
pub struct Reports(Arc<Mutex<BTreeMap<&'static str, ControllerReport>>>);

impl Reports {
    /// All of them, by name; empty while another replica leads.
    pub fn all(&self) -> Vec<ControllerReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn record(
        &self,
        name: &'static str,
        finished_wall_ms: u64,
        took: Duration,
        report: &Report,
    ) {
        let report = ControllerReport {
            controller: name.to_owned(),
            finished_at: Some(LogTime::from_ms(finished_wall_ms).to_timestamp()),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            steps: report.steps,
            failed: report.failed,
            summary: report.summary.clone(),
            last_error: report.last_error.clone(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, report);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
