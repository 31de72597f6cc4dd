use async_trait::async_trait;
use navarch_fleet::{LogTime, Told};

use super::{Figure, Figures, MetricsSource, Question, histories::Histories};
use crate::scaling::Sample;

/// What was reported of a pool by `ReportPoolMetrics`. It lies in the log, so a new leader has it at once; the
/// samples before it do not, and begin anew.
#[derive(Debug, Default)]
pub struct Pushed {
    histories: Histories,
}

fn figure<T>(told: Option<Told<T>>, now: LogTime) -> Figure<T> {
    match told.filter(|told| told.holds_at(now)) {
        Some(told) => Figure::known(told.value, told.at.as_ms()),
        // The same words before and after retention has dropped an expired report.
        None => Figure::missing("no report that holds"),
    }
}

#[async_trait]
impl MetricsSource for Pushed {
    fn name(&self) -> &'static str {
        "pushed"
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        let (pool, now) = (&question.pool.name, LogTime::from_ms(question.now_ms));
        let metrics = question.fleet.pool_metrics(pool);
        let utilization = figure(metrics.utilization, now);
        let history = match &utilization {
            Figure::Known(reading) if question.needs.history => {
                let sample = Sample { at_ms: reading.at_ms, utilization: reading.value };
                self.histories.note(pool, sample, 0)
            }
            Figure::Known(_) | Figure::Missing(_) | Figure::NotTold => Vec::new(),
        };
        Figures {
            utilization,
            history,
            pending_jobs: figure(metrics.pending_jobs, now),
            queue_depth: figure(metrics.queue_depth, now),
        }
    }
}
