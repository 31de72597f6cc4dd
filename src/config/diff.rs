use std::collections::BTreeMap;

use navarch_proto::fleet::{
    Autoscaling, Bootstrap, FleetSpec, NotifierSpec, PoolMetricsSpec, PoolSpec, ProviderSpec,
    Settings, autoscaling::Strategy,
};

use super::duration::format_millis;

/// What it takes to get from one fleet specification to another, one line a change, ordered by key:
/// `pools.training.max_nodes: 8 -> 16`, `pools.batch: removed`. Values of HTTP headers are not
/// shown. What is removed already and only waits for its machines to go is no change.
pub fn diff(old: &FleetSpec, new: &FleetSpec) -> Vec<String> {
    diff_telling(old, new, |_, _| String::new())
}

/// The same; `left` says of a pool or provider that is removed, by block and name, what becomes of its machines.
pub fn diff_telling(
    old: &FleetSpec,
    new: &FleetSpec,
    left: impl Fn(&str, &str) -> String,
) -> Vec<String> {
    let mut lines = fleet_leaves(old).changes(&fleet_leaves(new));
    lines.extend(block_changes((&old.providers, &new.providers), &left));
    lines.extend(block_changes((&old.pools, &new.pools), &left));
    lines.sort_unstable();
    lines
}

/// An entry of a block whose entries have names.
trait Named {
    const BLOCK: &'static str;

    fn name(&self) -> &str;

    /// Whether it is removed already and waits for its machines to go.
    fn retiring(&self) -> bool;

    fn leaves(&self, path: &str) -> Leaves;
}

impl Named for ProviderSpec {
    const BLOCK: &'static str = "providers";

    fn name(&self) -> &str {
        &self.name
    }

    fn retiring(&self) -> bool {
        self.retiring
    }

    fn leaves(&self, path: &str) -> Leaves {
        provider_leaves(path, self)
    }
}

impl Named for PoolSpec {
    const BLOCK: &'static str = "pools";

    fn name(&self) -> &str {
        &self.name
    }

    fn retiring(&self) -> bool {
        self.retiring
    }

    fn leaves(&self, path: &str) -> Leaves {
        pool_leaves(path, self)
    }
}

/// Changes of a block.
fn block_changes<T: Named>(
    (old, new): (&[T], &[T]),
    left: &impl Fn(&str, &str) -> String,
) -> Vec<String> {
    fn by_name<T: Named>(specs: &[T]) -> BTreeMap<&str, &T> {
        specs.iter().map(|spec| (spec.name(), spec)).collect()
    }
    let (old, new) = (by_name(old), by_name(new));
    let mut lines = Vec::new();
    for (name, spec) in &new {
        let path = format!("{}.{name}", T::BLOCK);
        let Some(before) = old.get(name) else {
            lines.push(format!("{path}: added"));
            continue;
        };
        if before.retiring() && !spec.retiring() {
            lines.push(format!("{path}: kept after all (it was being removed)"));
        }
        lines.extend(before.leaves(&path).changes(&spec.leaves(&path)));
    }
    let gone = old.iter().filter(|(name, spec)| !new.contains_key(*name) && !spec.retiring());
    lines.extend(
        gone.map(|(name, _)| format!("{}.{name}: removed{}", T::BLOCK, left(T::BLOCK, name))),
    );
    lines
}

/// The settings that have a value, by full key.
#[derive(Default)]
struct Leaves(BTreeMap<String, Leaf>);

struct Leaf {
    value: String,
    /// What a line may show of it.
    shown: String,
}

impl Leaves {
    fn put(&mut self, key: String, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            let shown = value.clone();
            self.0.insert(key, Leaf { value, shown });
        }
    }

    fn put_shown_as(&mut self, key: String, value: &str, shown: &str) {
        let (value, shown) = (value.to_owned(), shown.to_owned());
        self.0.insert(key, Leaf { value, shown });
    }

    fn changes(&self, new: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, after) in &new.0 {
            match self.0.get(key) {
                None => lines.push(format!("{key}: unset -> {}", after.shown)),
                Some(before) if before.value == after.value => {}
                Some(before) if before.shown == after.shown => {
                    lines.push(format!("{key}: changed ({})", after.shown));
                }
                Some(before) => lines.push(format!("{key}: {} -> {}", before.shown, after.shown)),
            }
        }
        let gone = self.0.iter().filter(|(key, _)| !new.0.contains_key(*key));
        lines.extend(gone.map(|(key, before)| format!("{key}: {} -> unset", before.shown)));
        lines
    }
}

fn fleet_leaves(spec: &FleetSpec) -> Leaves {
    let mut leaves = Leaves::default();
    if let Some(settings) = &spec.settings {
        settings_leaves(&mut leaves, settings);
        if let Some(notifier) = &settings.notifier {
            notifier_leaves(&mut leaves, notifier);
        }
    }
    let policy = match spec.policy_yaml.len() {
        0 => "built-in".to_owned(),
        bytes => format!("a policy of {bytes} bytes"),
    };
    leaves.put_shown_as("server.health_policy".to_owned(), &spec.policy_yaml, &policy);
    leaves
}

fn settings_leaves(leaves: &mut Leaves, settings: &Settings) {
    for (key, millis) in [
        ("server.heartbeat_interval", settings.heartbeat_interval_ms),
        ("server.heartbeat_timeout", settings.heartbeat_timeout_ms),
        ("server.health_check_interval", settings.health_check_interval_ms),
        ("server.autoscale_interval", settings.autoscale_interval_ms),
        ("server.breaker.window", settings.breaker_window_ms),
        ("instance_manager.registration_timeout", settings.registration_timeout_ms),
        ("instance_manager.stale_check_interval", settings.stale_check_interval_ms),
        ("instance_manager.retain_terminated", settings.retain_terminated_ms),
        ("instance_manager.launch_timeout", settings.launch_timeout_ms),
        ("instance_manager.orphan_sweep_interval", settings.orphan_sweep_interval_ms),
        ("instance_manager.orphan_min_age", settings.orphan_min_age_ms),
    ] {
        leaves.put(key.to_owned(), format_millis(millis));
    }
    let checks = list(&settings.enabled_health_checks);
    leaves.put("server.enabled_health_checks".to_owned(), checks);
    let orphans = if settings.orphans_report_only { "report" } else { "terminate" };
    leaves.put("instance_manager.orphans".to_owned(), orphans);
    leaves.put("server.max_registered_nodes".to_owned(), settings.max_registered_nodes);
    leaves.put("server.max_heartbeats_per_second".to_owned(), settings.max_heartbeats_per_second);
    let registrations = settings.max_registrations_per_second;
    leaves.put("server.max_registrations_per_second".to_owned(), registrations);
    for (key, percent) in [
        ("server.breaker.open_above_percent", settings.breaker_open_percent),
        ("server.breaker.close_below_percent", settings.breaker_close_percent),
        ("server.breaker.losses_a_minute_percent", settings.losses_a_minute_percent),
    ] {
        leaves.put(key.to_owned(), percent);
    }
}

fn notifier_leaves(leaves: &mut Leaves, notifier: &NotifierSpec) {
    leaves.put("server.notifier.type".to_owned(), &notifier.r#type);
    let webhook = |key: &str| format!("server.notifier.webhook.{key}");
    leaves.put(webhook("cordon_url"), &notifier.cordon_url);
    leaves.put(webhook("uncordon_url"), &notifier.uncordon_url);
    leaves.put(webhook("drain_url"), &notifier.drain_url);
    leaves.put(webhook("drain_status_url"), &notifier.drain_status_url);
    leaves.put(webhook("health_url"), &notifier.health_url);
    leaves.put(webhook("timeout"), format_millis(notifier.timeout_ms));
    for (name, value) in &notifier.headers {
        leaves.put_shown_as(webhook(&format!("headers.{name}")), value, "not shown");
    }
}

fn provider_leaves(path: &str, spec: &ProviderSpec) -> Leaves {
    let mut leaves = Leaves::default();
    for (key, value) in [
        ("type", &spec.r#type),
        ("api_key_env", &spec.api_key_env),
        ("token_env", &spec.token_env),
        ("project", &spec.project),
        ("zone", &spec.zone),
        ("region", &spec.region),
        ("url", &spec.url),
        ("ca_file", &spec.ca_file),
    ] {
        leaves.put(format!("{path}.{key}"), value);
    }
    leaves.put(format!("{path}.gpu_count"), spec.gpu_count);
    for (key, calls) in [
        ("max_calls_per_second", spec.max_calls_per_second),
        ("max_concurrent_calls", spec.max_concurrent_calls),
    ] {
        leaves.put(format!("{path}.{key}"), set(calls));
    }
    leaves
}

fn pool_leaves(path: &str, spec: &PoolSpec) -> Leaves {
    let mut leaves = Leaves::default();
    for (key, value) in [
        ("strategy", spec.strategy.clone()),
        ("instance_type", spec.instance_type.clone()),
        ("region", spec.region.clone()),
        ("zones", list(&spec.zones)),
        ("ssh_keys", list(&spec.ssh_keys)),
        ("min_nodes", spec.min_nodes.to_string()),
        ("max_nodes", spec.max_nodes.to_string()),
        ("cooldown", format_millis(spec.cooldown_ms)),
        ("health.unhealthy_after", spec.unhealthy_after.to_string()),
        ("health.auto_replace", spec.auto_replace.to_string()),
        ("health.replace_at_once_percent", set(spec.replace_at_once_percent)),
        ("health.replace_per_hour_percent", set(spec.replace_per_hour_percent)),
    ] {
        leaves.put(format!("{path}.{key}"), value);
    }
    for (key, own) in [
        ("scale_up_cooldown", spec.scale_up_cooldown_ms),
        ("scale_down_cooldown", spec.scale_down_cooldown_ms),
    ] {
        leaves.put(format!("{path}.{key}"), own.map(format_millis).unwrap_or_default());
    }
    for (position, provider) in spec.providers.iter().enumerate() {
        let path = format!("{path}.providers[{position}]");
        leaves.put(format!("{path}.name"), &provider.name);
        leaves.put(format!("{path}.priority"), provider.priority);
        leaves.put(format!("{path}.weight"), provider.weight);
        leaves.put(format!("{path}.regions"), list(&provider.regions));
        leaves.put(format!("{path}.instance_type"), &provider.instance_type);
    }
    for (key, value) in &spec.labels {
        leaves.put(format!("{path}.labels.{key}"), format!("`{value}`"));
    }
    if let Some(autoscaling) = &spec.autoscaling {
        autoscaling_leaves(&mut leaves, &format!("{path}.autoscaling"), autoscaling);
    }
    if let Some(metrics) = &spec.metrics {
        metrics_leaves(&mut leaves, &format!("{path}.metrics"), metrics);
    }
    if let Some(bootstrap) = &spec.bootstrap {
        bootstrap_leaves(&mut leaves, path, bootstrap);
    }
    leaves
}

fn metrics_leaves(leaves: &mut Leaves, path: &str, metrics: &PoolMetricsSpec) {
    leaves.put(format!("{path}.order"), list(&metrics.order));
    let Some(prometheus) = &metrics.prometheus else { return };
    let path = format!("{path}.prometheus");
    for (key, value) in [
        ("url", &prometheus.url),
        ("queries.utilization", &prometheus.utilization_query),
        ("queries.pending_jobs", &prometheus.pending_jobs_query),
        ("queries.queue_depth", &prometheus.queue_depth_query),
        ("token_env", &prometheus.token_env),
    ] {
        leaves.put(format!("{path}.{key}"), value);
    }
    leaves.put(format!("{path}.timeout"), format_millis(prometheus.timeout_ms));
}

fn bootstrap_leaves(leaves: &mut Leaves, path: &str, bootstrap: &Bootstrap) {
    let commands = bootstrap.setup_commands.join("\n");
    let shown = format!("{} commands", bootstrap.setup_commands.len());
    leaves.put_shown_as(format!("{path}.setup_commands"), &commands, &shown);
    leaves.put(format!("{path}.ssh_user"), &bootstrap.ssh_user);
    leaves.put(format!("{path}.ssh_private_key_path"), &bootstrap.ssh_private_key_path);
    for (key, millis) in [
        ("ip_wait_timeout", bootstrap.ip_wait_timeout_ms),
        ("ssh_timeout", bootstrap.ssh_timeout_ms),
        ("ssh_connect_timeout", bootstrap.ssh_connect_timeout_ms),
        ("command_timeout", bootstrap.command_timeout_ms),
    ] {
        leaves.put(format!("{path}.{key}"), format_millis(millis));
    }
}

fn autoscaling_leaves(leaves: &mut Leaves, path: &str, autoscaling: &Autoscaling) {
    let Some(strategy) = &autoscaling.strategy else {
        return;
    };
    let mut fallback = None;
    let kind = match strategy {
        Strategy::Reactive(reactive) => {
            leaves.put(format!("{path}.scale_up_at"), reactive.scale_up_at);
            leaves.put(format!("{path}.scale_down_at"), reactive.scale_down_at);
            "reactive"
        }
        Strategy::Queue(queue) => {
            leaves.put(format!("{path}.jobs_per_node"), queue.jobs_per_node);
            "queue"
        }
        Strategy::Scheduled(scheduled) => {
            for (position, window) in scheduled.schedule.iter().enumerate() {
                let days = match window.days.is_empty() {
                    true => "every day".to_owned(),
                    false => list(&window.days),
                };
                let (start, end) = (window.start_hour, window.end_hour);
                let (min, max) = (window.min_nodes, window.max_nodes);
                let text = format!("{days} {start} to {end} h: {min} to {max} nodes");
                leaves.put(format!("{path}.schedule[{position}]"), text);
            }
            leaves.put(format!("{path}.time_zone"), &scheduled.time_zone);
            fallback = scheduled.fallback.as_deref();
            "scheduled"
        }
        Strategy::Predictive(predictive) => {
            leaves.put(format!("{path}.lookback_window"), predictive.lookback_window);
            leaves.put(format!("{path}.growth_factor"), predictive.growth_factor);
            fallback = predictive.fallback.as_deref();
            "predictive"
        }
        Strategy::Composite(composite) => {
            leaves.put(format!("{path}.mode"), &composite.mode);
            for (position, member) in composite.autoscalers.iter().enumerate() {
                autoscaling_leaves(leaves, &format!("{path}.autoscalers[{position}]"), member);
            }
            "composite"
        }
    };
    leaves.put(format!("{path}.type"), kind);
    if let Some(fallback) = fallback {
        autoscaling_leaves(leaves, &format!("{path}.fallback"), fallback);
    }
}

/// A number of which 0 stands for the default.
fn set(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn list(items: &[String]) -> String {
    match items.is_empty() {
        true => String::new(),
        false => format!("[{}]", items.join(", ")),
    }
}
