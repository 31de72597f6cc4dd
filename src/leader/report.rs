use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch_fleet::LogTime;
use navarch_proto::api::ControllerReport;

/// What one pass of a controller did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps carried out.
    pub steps: u32,
    /// Steps that failed and will be tried again.
    pub failed: u32,
    /// One line for a person; empty when there was nothing to do.
    pub summary: String,
    /// The last failure.
    pub last_error: String,
}

impl Report {
    /// Counts a step and whether it worked.
    pub fn count<E: std::fmt::Display>(&mut self, step: Result<(), E>) {
        match step {
            Ok(()) => self.steps += 1,
            Err(error) => self.fail(error.to_string()),
        }
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
