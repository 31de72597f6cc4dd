//! The program's own figures, and its own autoscaler that goes by them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use navarch::{
    metrics_source::{Figure, Figures, MetricsSource, Question},
    scaling::{Autoscaler, Decision, Needs, PoolView},
};

/// Jobs that one machine gets done in good time.
const JOBS_PER_MACHINE: u32 = 10;

/// The queue that this program keeps itself.
#[derive(Clone, Default)]
pub(crate) struct Jobs(Arc<AtomicU32>);

impl Jobs {
    pub(crate) fn set(&self, waiting_or_running: u32) {
        self.0.store(waiting_or_running, Ordering::Relaxed);
    }
}

#[async_trait]
impl MetricsSource for Jobs {
    fn name(&self) -> &str {
        "x-jobs"
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        let jobs = self.0.load(Ordering::Relaxed);
        Figures { queue_depth: Figure::known(jobs, question.now_ms), ..Figures::default() }
    }
}

/// A machine for every ten jobs, and one more as soon as there are any, for those that are about to come.
pub(crate) struct Backlog;

impl Autoscaler for Backlog {
    fn name(&self) -> &str {
        "x-backlog"
    }

    fn needs(&self) -> Needs {
        Needs { queue_depth: true, ..Needs::default() }
    }

    fn decide(&self, view: &PoolView) -> Decision {
        let Some(jobs) = view.queue_depth else {
            return Decision::no_data(view, "nobody knows the queue");
        };
        let wanted = match jobs {
            0 => 0,
            jobs => jobs.div_ceil(JOBS_PER_MACHINE) + 1,
        };
        // The limits are none of our business: whatever is wanted, the target stays within them.
        Decision::demand(view, wanted, &format!("{jobs} jobs"))
    }
}
