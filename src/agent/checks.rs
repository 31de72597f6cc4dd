use navarch_proto::{
    api::{GpuMetrics, HealthCheckResult, HealthStatus},
    timestamp::from_unix_ms,
};

use super::{
    gpu::{GpuError, XidWatch},
    kernel_log::LogWatch,
    shared::{Settings, Shared},
};

/// What the agent says of the XIDs of its node.
struct XidView {
    driver: XidWatch,
    log: LogWatch,
    /// Events that wait for a report, and events dropped so far.
    waiting: usize,
    dropped: u64,
}

/// The result of every check that the group asks for.
pub(super) async fn check_all(shared: &Shared, settings: &Settings) -> Vec<HealthCheckResult> {
    let sample = shared.probe.sample().await;
    let source = shared.probe.source();
    let expected = shared.config.expected_gpus.unwrap_or(settings.gpus);
    let (waiting, dropped) = shared.outbox.counts();
    let log = shared.kernel_log.watch();
    let view = XidView { driver: source.xid_watch(), log, waiting, dropped };
    let checks = settings.checks.iter().map(|name| {
        let (status, message) = match name.as_str() {
            "boot" => boot(&sample, expected),
            "nvml" => driver(&sample, source.name(), expected),
            "xid" => xid(&view),
            _ => (
                HealthStatus::Unknown,
                format!("this agent has no check {name:?}; it has boot, nvml and xid"),
            ),
        };
        let mut details = vec![("gpu_source".to_owned(), source.name().to_owned())];
        if name == "xid" {
            details.push(("events_waiting".to_owned(), waiting.to_string()));
            details.push(("events_dropped".to_owned(), dropped.to_string()));
        }
        HealthCheckResult {
            check_name: name.clone(),
            status: status.into(),
            message,
            timestamp: Some(from_unix_ms(shared.clock.wall_ms())),
            details: details.into_iter().collect(),
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
fn xid(view: &XidView) -> (HealthStatus, String) {
    let XidView { driver, log, waiting, dropped } = view;
    let (mut eyes, mut blind) = (Vec::new(), Vec::new());
    match driver {
        XidWatch::Watching => eyes.push("the driver's events".to_owned()),
        XidWatch::Blind(reason) => blind.push(format!("the driver's events: {reason}")),
        XidWatch::NoGpus => {}
    }
    match log {
        LogWatch::Watching { lost: 0 } => eyes.push("the kernel log".to_owned()),
        LogWatch::Watching { lost } => {
            eyes.push(format!("the kernel log ({lost} lines were overwritten unread)"));
        }
        LogWatch::Blind(reason) => blind.push(format!("the kernel log: {reason}")),
        LogWatch::Off => {}
    }
    let mut words = match (eyes.is_empty(), *driver == XidWatch::NoGpus) {
        (false, _) => format!("watching {}", eyes.join(" and ")),
        (true, true) => "no GPUs".to_owned(),
        (true, false) => "XIDs of this node go unseen".to_owned(),
    };
    if !blind.is_empty() && *driver != XidWatch::NoGpus {
        words.push_str(&format!("; not {}", blind.join(", ")));
    }
    if *waiting > 0 || *dropped > 0 {
        words.push_str(&format!("; {waiting} events wait, {dropped} were dropped"));
    }
    let sees = !eyes.is_empty() || *driver == XidWatch::NoGpus;
    (if sees { HealthStatus::Healthy } else { HealthStatus::Unknown }, words)
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

    /// Without it a node whose XIDs go unseen would be called healthy, or lost events stay a secret.
    #[test]
    fn is_honest_about_xids() {
        use HealthStatus::{Healthy, Unknown};
        let no_right = || "no right to".to_owned();
        let table = [
            (XidWatch::NoGpus, LogWatch::Off, 0, Healthy, "no GPUs"),
            (XidWatch::NoGpus, LogWatch::Blind(no_right()), 0, Healthy, "no GPUs"),
            (XidWatch::Watching, LogWatch::Off, 0, Healthy, "watching the driver's events"),
            (
                XidWatch::Watching,
                LogWatch::Blind(no_right()),
                0,
                Healthy,
                "watching the driver's events; not the kernel log: no right to",
            ),
            (
                XidWatch::Blind(no_right()),
                LogWatch::Watching { lost: 5 },
                2,
                Healthy,
                "watching the kernel log (5 lines were overwritten unread); not the driver's events: no right to; \
                 3 events wait, 2 were dropped",
            ),
            (
                XidWatch::Blind(no_right()),
                LogWatch::Off,
                0,
                Unknown,
                "XIDs of this node go unseen; not the driver's events: no right to",
            ),
        ];
        for (driver, log, dropped, status, words) in table {
            let waiting = if dropped > 0 { 3 } else { 0 };
            let view = XidView { driver, log, waiting, dropped };
            assert_eq!(xid(&view), (status, words.to_owned()));
        }
    }
}
