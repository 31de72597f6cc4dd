use navarch_proto::api::{HealthEvent, ReportHealthRequest};

use super::JudgeError;

/// Events of one report.
const MAX_EVENTS: usize = 1_000;
/// Check results of one report.
const MAX_RESULTS: usize = 10_000;
/// Metrics of one event.
pub(super) const MAX_METRICS: usize = 256;
/// Bytes of a metric's name.
pub(super) const MAX_METRIC_NAME: usize = 128;
/// Bytes of a metric's value.
pub(super) const MAX_METRIC_VALUE: usize = 1024;
/// Bytes of one event's texts, its metrics included.
pub(super) const MAX_EVENT: usize = 64 * 1024;

/// That a report is within the bounds.
pub(super) fn check(report: &ReportHealthRequest) -> Result<(), JudgeError> {
    let count = report.events.len();
    if count > MAX_EVENTS {
        let limit = MAX_EVENTS;
        return Err(JudgeError::TooManyEvents { count, limit });
    }
    let count = report.results.len();
    if count > MAX_RESULTS {
        let limit = MAX_RESULTS;
        return Err(JudgeError::TooManyResults { count, limit });
    }
    report.events.iter().enumerate().try_for_each(|(position, event)| check_event(position, event))
}

fn check_event(position: usize, event: &HealthEvent) -> Result<(), JudgeError> {
    let count = event.metrics.len();
    if count > MAX_METRICS {
        let limit = MAX_METRICS;
        return Err(JudgeError::TooManyMetrics { position, count, limit });
    }
    let mut bytes = event.message.len() + event.gpu_uuid.len();
    for (name, value) in &event.metrics {
        for (what, bytes, limit) in
            [("name", name.len(), MAX_METRIC_NAME), ("value", value.len(), MAX_METRIC_VALUE)]
        {
            if bytes > limit {
                let metric = name.chars().take(40).collect();
                return Err(JudgeError::MetricTooLong { position, metric, what, bytes, limit });
            }
        }
        bytes += name.len() + value.len();
    }
    if bytes > MAX_EVENT {
        let limit = MAX_EVENT;
        return Err(JudgeError::EventTooLarge { position, bytes, limit });
    }
    Ok(())
}
