use navarch_proto::api::{
    GpuMetrics, HealthCheckResult, HealthEvent, HealthStatus, ReportHealthRequest,
};

use super::{
    gpu::{GpuError, XidWatch},
    shared::{Settings, Shared, jittered, timestamp},
};
use crate::client::{CallError, CallOptions, Failure, rpc::ReportHealth};

/// Most events kept while no report gets through; the oldest go first.
const MAX_PENDING: usize = 256;

/// Reports until the agent stops, once an interval; events wait for the report that is acknowledged.
pub(super) async fn run(shared: &Shared) {
    let mut pending = Vec::new();
    let mut first = true;
    while shared.until_stopped(round(shared, &mut pending)).await.is_some() {
        let interval = shared.settings().health_check;
        let wait = if first { jittered(interval, 0.5) } else { interval };
        first = false;
        if !shared.pause(wait).await {
            return;
        }
    }
}

async fn round(shared: &Shared, pending: &mut Vec<HealthEvent>) {
    let settings = shared.settings();
    let sample = shared.probe.sample().await;
    let fresh = shared.probe.source().take_events();
    let results = check_all(shared, &settings, &sample, fresh.len());
    pending.extend(fresh);
    pending.drain(..pending.len().saturating_sub(MAX_PENDING));
    match report(shared, results, pending.clone()).await {
        Ok(()) => pending.clear(),
        Err(error) if error.failure() == Failure::NotFound => {
            shared.is_forgotten(settings.registrations);
        }
        Err(error) => {
            tracing::warn!(node = shared.config.node_id, %error, "health not reported");
        }
    }
}

async fn report(
    shared: &Shared,
    results: Vec<HealthCheckResult>,
    events: Vec<HealthEvent>,
) -> Result<(), CallError> {
    if results.is_empty() && events.is_empty() {
        return Ok(());
    }
    let request = ReportHealthRequest { node_id: shared.config.node_id.clone(), results, events };
    let answer = shared.client.call::<ReportHealth>(request, &CallOptions::default()).await?;
    tracing::debug!(status = ?answer.message.node_status(), "health reported");
    Ok(())
}

fn check_all(
    shared: &Shared,
    settings: &Settings,
    sample: &Result<Vec<GpuMetrics>, GpuError>,
    events: usize,
) -> Vec<HealthCheckResult> {
    let source = shared.probe.source();
    let expected = shared.config.expected_gpus.unwrap_or(settings.gpus);
    let checks = settings.checks.iter().map(|name| {
        let (status, message) = match name.as_str() {
            "boot" => boot(sample, expected),
            "nvml" => driver(sample, source.name(), expected),
            "xid" => xid(&source.xid_watch(), events),
            _ => (
                HealthStatus::Unknown,
                format!("this agent has no check {name:?}; it has boot, nvml and xid"),
            ),
        };
        HealthCheckResult {
            check_name: name.clone(),
            status: status.into(),
            message,
            timestamp: Some(timestamp(shared.clock.wall_ms())),
            details: [("gpu_source".to_owned(), source.name().to_owned())].into(),
        }
    });
    checks.collect()
}

/// All GPUs that should be there are there; none are needed where none are expected.
fn boot(sample: &Result<Vec<GpuMetrics>, GpuError>, expected: usize) -> (HealthStatus, String) {
    let found = sample.as_ref().map_or(0, Vec::len);
    let message = format!("{found} of {expected} expected GPUs found");
    match (sample, expected) {
        (Err(error), 1..) => (HealthStatus::Unhealthy, format!("{message}: {error}")),
        _ if found < expected => (HealthStatus::Unhealthy, message),
        _ => (HealthStatus::Healthy, message),
    }
}

/// The driver answers for every GPU.
fn driver(
    sample: &Result<Vec<GpuMetrics>, GpuError>,
    source: &str,
    expected: usize,
) -> (HealthStatus, String) {
    match sample {
        Ok(gpus) if gpus.is_empty() && expected == 0 => {
            (HealthStatus::Healthy, "no GPUs, none expected".to_owned())
        }
        Ok(gpus) if gpus.is_empty() => {
            (HealthStatus::Unhealthy, format!("no driver for {expected} expected GPUs"))
        }
        Ok(gpus) => (HealthStatus::Healthy, format!("{source} answers for {} GPUs", gpus.len())),
        Err(error) => (HealthStatus::Unhealthy, error.to_string()),
    }
}

/// Whether XIDs are seen at all. What they mean is for the policy, which gets them as events.
fn xid(watch: &XidWatch, events: usize) -> (HealthStatus, String) {
    match watch {
        XidWatch::NoGpus => (HealthStatus::Healthy, "no GPUs".to_owned()),
        XidWatch::Watching => {
            (HealthStatus::Healthy, format!("watching; {events} events since the last report"))
        }
        XidWatch::Blind(reason) => {
            (HealthStatus::Unknown, format!("XIDs of this node go unseen: {reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn gpus(count: usize) -> Result<Vec<GpuMetrics>, GpuError> {
        Ok(vec![GpuMetrics::default(); count])
    }

    fn hung() -> Result<Vec<GpuMetrics>, GpuError> {
        Err(GpuError("the driver hangs".to_owned()))
    }

    /// Without it a node without GPUs would be replaced for ever, or one that lost a GPU kept.
    #[rstest]
    #[case(gpus(0), 0, HealthStatus::Healthy, HealthStatus::Healthy)]
    #[case(gpus(8), 8, HealthStatus::Healthy, HealthStatus::Healthy)]
    #[case(gpus(8), 0, HealthStatus::Healthy, HealthStatus::Healthy)]
    #[case(gpus(7), 8, HealthStatus::Unhealthy, HealthStatus::Healthy)]
    #[case(gpus(0), 8, HealthStatus::Unhealthy, HealthStatus::Unhealthy)]
    #[case(hung(), 8, HealthStatus::Unhealthy, HealthStatus::Unhealthy)]
    #[case(hung(), 0, HealthStatus::Healthy, HealthStatus::Unhealthy)]
    fn judges_gpus(
        #[case] sample: Result<Vec<GpuMetrics>, GpuError>,
        #[case] expected: usize,
        #[case] boot_status: HealthStatus,
        #[case] driver_status: HealthStatus,
    ) {
        assert_eq!(boot(&sample, expected).0, boot_status);
        assert_eq!(driver(&sample, "nvml", expected).0, driver_status);
    }

    /// Without it a node whose XIDs go unseen would be called healthy.
    #[rstest]
    #[case(XidWatch::NoGpus, HealthStatus::Healthy)]
    #[case(XidWatch::Watching, HealthStatus::Healthy)]
    #[case(XidWatch::Blind("no right to".to_owned()), HealthStatus::Unknown)]
    fn is_honest_about_xids(#[case] watch: XidWatch, #[case] status: HealthStatus) {
        assert_eq!(xid(&watch, 0).0, status);
    }
}
