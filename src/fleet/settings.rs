use navarch_proto::fleet::{NotifierSpec, Settings};

/// What holds where no configuration says otherwise; the numbers are those of the configuration contract.
pub(crate) fn default_settings() -> Settings {
    Settings {
        heartbeat_interval_ms: 30_000,
        heartbeat_timeout_ms: 90_000,
        health_check_interval_ms: 60_000,
        autoscale_interval_ms: 30_000,
        enabled_health_checks: ["boot", "nvml", "xid"].map(str::to_owned).to_vec(),
        registration_timeout_ms: 600_000,
        stale_check_interval_ms: 60_000,
        retain_terminated_ms: 86_400_000,
        launch_timeout_ms: 300_000,
        notifier: Some(NotifierSpec {
            r#type: "noop".to_owned(),
            timeout_ms: 30_000,
            ..NotifierSpec::default()
        }),
        max_registered_nodes: 200_000,
        max_heartbeats_per_second: 20_000,
        max_registrations_per_second: 1_000,
        orphan_sweep_interval_ms: 120_000,
        orphan_min_age_ms: 300_000,
        orphans_report_only: false,
        breaker_window_ms: 600_000,
        breaker_open_percent: 55,
        breaker_close_percent: 30,
        losses_a_minute_percent: 10,
    }
}

/// Settings as they hold: whatever is 0 or absent is the default.
pub(crate) fn effective(given: &Settings) -> Settings {
    let default = default_settings();
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    let percent = |given: u32, default: u32| if given == 0 { default } else { given };
    let heartbeat_interval_ms = or(given.heartbeat_interval_ms, default.heartbeat_interval_ms);
    Settings {
        heartbeat_interval_ms,
        heartbeat_timeout_ms: or(
            given.heartbeat_timeout_ms,
            heartbeat_interval_ms.saturating_mul(3),
        ),
        health_check_interval_ms: or(
            given.health_check_interval_ms,
            default.health_check_interval_ms,
        ),
        autoscale_interval_ms: or(given.autoscale_interval_ms, default.autoscale_interval_ms),
        enabled_health_checks: given.enabled_health_checks.clone(),
        registration_timeout_ms: or(given.registration_timeout_ms, default.registration_timeout_ms),
        stale_check_interval_ms: or(given.stale_check_interval_ms, default.stale_check_interval_ms),
        retain_terminated_ms: or(given.retain_terminated_ms, default.retain_terminated_ms),
        launch_timeout_ms: or(given.launch_timeout_ms, default.launch_timeout_ms),
        notifier: given.notifier.clone().or(default.notifier),
        max_registered_nodes: match given.max_registered_nodes {
            0 => default.max_registered_nodes,
            given => given,
        },
        max_heartbeats_per_second: match given.max_heartbeats_per_second {
            0 => default.max_heartbeats_per_second,
            given => given,
        },
        max_registrations_per_second: match given.max_registrations_per_second {
            0 => default.max_registrations_per_second,
            given => given,
        },
        orphan_sweep_interval_ms: or(
            given.orphan_sweep_interval_ms,
            default.orphan_sweep_interval_ms,
        ),
        orphan_min_age_ms: or(given.orphan_min_age_ms, default.orphan_min_age_ms),
        orphans_report_only: given.orphans_report_only,
        breaker_window_ms: or(given.breaker_window_ms, default.breaker_window_ms),
        breaker_open_percent: percent(given.breaker_open_percent, default.breaker_open_percent),
        breaker_close_percent: percent(given.breaker_close_percent, default.breaker_close_percent),
        losses_a_minute_percent: percent(
            given.losses_a_minute_percent,
            default.losses_a_minute_percent,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time-out of 0 would declare every node lost at once.
    #[test]
    fn zero_means_the_default() {
        let effective_zero =
            effective(&Settings { heartbeat_interval_ms: 10_000, ..Settings::default() });
        assert_eq!(effective_zero.heartbeat_timeout_ms, 30_000);
        assert_eq!(effective_zero.max_registered_nodes, 200_000);
        assert_eq!(effective_zero.breaker_open_percent, 55);
        assert_eq!(effective(&default_settings()), default_settings());
    }
}
