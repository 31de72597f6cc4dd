use navarch_proto::fleet::Settings;

use super::{breaker::BreakerSettings, notifier, section::Section, values::Zero};

pub(crate) const SERVER_KEYS: [&str; 14] = [
    "address",
    "external_address",
    "tls",
    "heartbeat_interval",
    "heartbeat_timeout",
    "health_check_interval",
    "autoscale_interval",
    "enabled_health_checks",
    "health_policy",
    "notifier",
    "max_registered_nodes",
    "max_heartbeats_per_second",
    "max_registrations_per_second",
    "breaker",
];

pub(crate) const MANAGER_KEYS: [&str; 7] = [
    "registration_timeout",
    "stale_check_interval",
    "retain_terminated",
    "launch_timeout",
    "orphan_sweep_interval",
    "orphan_min_age",
    "orphans",
];

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Nodes and heartbeats a second that any group could carry.
const MAX_NODES: u32 = 10_000_000;

/// Reads what `server` and `instance_manager` say about the fleet.
pub(crate) fn read(server: Option<&Section<'_>>, manager: Option<&Section<'_>>) -> Settings {
    let period = |section: Option<&Section<'_>>, key| section?.duration_ms(key, Zero::Refused);
    let count = |key| server?.whole(key, 1..=MAX_NODES);
    let heartbeat_interval_ms = period(server, "heartbeat_interval").unwrap_or(30 * SECOND_MS);
    let heartbeat_timeout_ms = period(server, "heartbeat_timeout");
    if let (Some(server), Some(timeout)) = (server, heartbeat_timeout_ms)
        && timeout <= heartbeat_interval_ms
    {
        let message = "must be longer than `heartbeat_interval`; three times as long is usual";
        server.problem("heartbeat_timeout", message);
    }
    let heartbeat_timeout_ms = heartbeat_timeout_ms.unwrap_or(3 * heartbeat_interval_ms);
    let breaker = BreakerSettings::read(server, heartbeat_timeout_ms);
    Settings {
        heartbeat_interval_ms,
        heartbeat_timeout_ms,
        health_check_interval_ms: period(server, "health_check_interval").unwrap_or(MINUTE_MS),
        autoscale_interval_ms: period(server, "autoscale_interval").unwrap_or(30 * SECOND_MS),
        enabled_health_checks: health_checks(server),
        registration_timeout_ms: period(manager, "registration_timeout").unwrap_or(10 * MINUTE_MS),
        stale_check_interval_ms: period(manager, "stale_check_interval").unwrap_or(MINUTE_MS),
        retain_terminated_ms: manager
            .and_then(|manager| manager.duration_ms("retain_terminated", Zero::Allowed))
            .unwrap_or(24 * HOUR_MS),
        launch_timeout_ms: period(manager, "launch_timeout").unwrap_or(5 * MINUTE_MS),
        notifier: Some(notifier::read(server)),
        max_registered_nodes: count("max_registered_nodes").unwrap_or(200_000),
        max_heartbeats_per_second: count("max_heartbeats_per_second").unwrap_or(20_000),
        max_registrations_per_second: count("max_registrations_per_second").unwrap_or(1_000),
        orphan_sweep_interval_ms: period(manager, "orphan_sweep_interval").unwrap_or(2 * MINUTE_MS),
        orphan_min_age_ms: period(manager, "orphan_min_age").unwrap_or(5 * MINUTE_MS),
        orphans_report_only: manager
            .and_then(|manager| manager.choice("orphans", &["terminate", "report"]))
            .is_some_and(|choice| choice == "report"),
        breaker_window_ms: breaker.window_ms,
        breaker_open_percent: breaker.open_percent,
        breaker_close_percent: breaker.close_percent,
        losses_a_minute_percent: breaker.losses_a_minute_percent,
    }
}

fn health_checks(server: Option<&Section<'_>>) -> Vec<String> {
    const KEY: &str = "enabled_health_checks";
    let given = server.and_then(|server| server.texts(KEY));
    let Some((server, checks)) = server.zip(given) else {
        return ["boot", "nvml", "xid"].map(str::to_owned).to_vec();
    };
    for (position, check) in checks.iter().enumerate() {
        if check.is_empty() {
            server.problem(KEY, "a check has a name, such as `nvml`");
        }
        if checks[..position].contains(check) {
            server.problem(KEY, format!("`{check}` is named twice"));
        }
    }
    checks
}
