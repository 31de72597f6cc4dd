//! A file with every key in it.

use std::{collections::BTreeSet, path::Path};

use navarch_proto::fleet::{PoolSpec, PrometheusSpec, autoscaling::Strategy};

use super::{
    Config, autoscaling, breaker, defaults, load, metrics,
    mistakes_test::{BASE, in_pool},
    notifier, parse, pools, providers, replica, settings,
};

const EVERYTHING: &str = r#"
server:
  address: 0.0.0.0:7000
  external_address: https://tunnel.example
  tls: {cert: certs/r1.pem, key: /etc/navarch/r1-key.pem}
  heartbeat_interval: 1m30s
  heartbeat_timeout: 5m
  health_check_interval: 1.5m
  autoscale_interval: 500ms
  enabled_health_checks: [nvml]
  health_policy: policies/ours.yaml
  max_registered_nodes: 1000
  max_heartbeats_per_second: 500
  max_registrations_per_second: 50
  breaker: {window: 20m, open_above_percent: 60, close_below_percent: 20, losses_a_minute_percent: 5}
  notifier:
    type: webhook
    webhook:
      cordon_url: http://slurm.example/cordon
      drain_url: http://slurm.example/drain
      drain_status_url: http://slurm.example/drained
      health_url: http://slurm.example/health
      timeout: 5s
      headers: {Authorization: "Bearer ${SLURM_TOKEN}", X-Team: 7}
cluster: {replica: r1, snapshot_every: 500}
instance_manager: {registration_timeout: 20m, stale_check_interval: 30s, retain_terminated: 48h, launch_timeout: 2m, orphan_sweep_interval: 3m, orphan_min_age: 6m, orphans: report}
providers:
  zeta: {type: lambda, api_key_env: LAMBDA_API_KEY}
  alpha: {type: gcp, project: 12345, zone: us-central1-a}
  mid: {type: aws, region: us-east-1}
  own: {type: http, url: "https://cloud.example", token_env: CLOUD_TOKEN, ca_file: ca.pem, max_calls_per_second: 5, max_concurrent_calls: 2}
pools:
  many:
    providers:
      - {name: zeta, priority: 1, regions: [us-west-2]}
      - {name: alpha, priority: 2, weight: 3, instance_type: a3-highgpu-8g}
    strategy: round-robin
    instance_type: h100-8x
    zones: [a, b]
    ssh_keys: [mine]
    min_nodes: 1
    max_nodes: 9
    cooldown: 0s
    scale_up_cooldown: 30s
    scale_down_cooldown: 20m
    health: {unhealthy_after: 4, auto_replace: true, replace_at_once_percent: 30, replace_per_hour_percent: 15}
    setup_commands:
      - echo one
      - |
        echo two
        echo three
    ssh_user: root
    command_timeout: 1m
    metrics:
      order: [prometheus, pushed, x-ours]
      prometheus:
        url: https://prometheus.example/base
        queries: {utilization: avg(gpu_busy), pending_jobs: sum(waiting), queue_depth: "sum(jobs{pool='many'})"}
        timeout: 2s
        token_env: PROMETHEUS_TOKEN
    autoscaling:
      type: composite
      mode: avg
      strategies:
        - type: queue
        - type: scheduled
          time_zone: Europe/Berlin
          schedule:
            - {days: [Mon, friday], start: 22, end: 6, max_nodes: 4}
          fallback: {type: predictive, lookback_window: 5, fallback: {type: reactive}}
defaults:
  ssh_keys: [ops]
  ssh_private_key_path: keys/id
"#;

fn everything() -> Config {
    parse(EVERYTHING, "navarch.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn many(config: &Config) -> PoolSpec {
    config.fleet.pools[0].clone()
}

/// Without it a key could be read and lost.
#[test]
fn every_key_arrives() {
    let config = everything();
    assert_eq!(config.warnings, Vec::<String>::new());
    let settings = config.fleet.settings.clone().expect("settings");
    assert_eq!((settings.heartbeat_interval_ms, settings.heartbeat_timeout_ms), (90_000, 300_000));
    assert_eq!((settings.health_check_interval_ms, settings.autoscale_interval_ms), (90_000, 500));
    assert_eq!((settings.launch_timeout_ms, settings.max_registered_nodes), (120_000, 1_000));
    assert_eq!(
        (
            settings.orphan_sweep_interval_ms,
            settings.orphan_min_age_ms,
            settings.orphans_report_only
        ),
        (180_000, 360_000, true)
    );
    assert_eq!(settings.max_heartbeats_per_second, 500);
    assert_eq!(
        (
            settings.breaker_window_ms,
            settings.breaker_open_percent,
            settings.breaker_close_percent,
            settings.losses_a_minute_percent
        ),
        (1_200_000, 60, 20, 5)
    );
    let notifier = settings.notifier.expect("a notifier");
    assert_eq!((notifier.r#type.as_str(), notifier.timeout_ms), ("webhook", 5_000));
    assert_eq!(notifier.headers["Authorization"], "Bearer ${SLURM_TOKEN}");
    assert_eq!(notifier.headers["X-Team"], "7");
    assert_eq!(notifier.health_url, "http://slurm.example/health");
    assert_eq!(config.health_policy.as_deref(), Some(Path::new("policies/ours.yaml")));
    assert_eq!(config.replica.snapshot_every, Some(500));
    let files = config.replica.public_tls.expect("a certificate");
    assert_eq!(
        (files.cert.as_path(), files.key.as_path()),
        (Path::new("certs/r1.pem"), Path::new("/etc/navarch/r1-key.pem"))
    );
}

/// Without it a provider's or a pool's key could be read and lost.
#[test]
fn every_key_of_providers_and_pools_arrives() {
    let config = everything();
    let names: Vec<_> =
        config.fleet.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["alpha", "mid", "own", "zeta"]);
    assert_eq!(config.fleet.providers[0].project, "12345");
    let own = &config.fleet.providers[2];
    assert_eq!((own.url.as_str(), own.ca_file.as_str()), ("https://cloud.example", "ca.pem"));
    assert_eq!((own.max_calls_per_second, own.max_concurrent_calls), (5, 2));
    let pool = many(&config);
    let priorities: Vec<_> =
        pool.providers.iter().map(|choice| (choice.priority, choice.weight)).collect();
    assert_eq!(priorities, [(1, 1), (2, 3)]);
    assert_eq!((pool.strategy.as_str(), pool.cooldown_ms), ("round-robin", 0));
    let ways = (pool.scale_up_cooldown_ms, pool.scale_down_cooldown_ms);
    assert_eq!(ways, (Some(30_000), Some(1_200_000)));
    assert_eq!(
        (pool.zones.join(","), pool.ssh_keys.join(",")),
        ("a,b".to_owned(), "mine".to_owned())
    );
    assert_eq!((pool.unhealthy_after, pool.auto_replace), (4, true));
    assert_eq!((pool.replace_at_once_percent, pool.replace_per_hour_percent), (30, 15));
    let bootstrap = pool.bootstrap.expect("a bootstrap");
    assert_eq!(bootstrap.setup_commands, ["echo one", "echo two\necho three\n"]);
    assert_eq!(
        (bootstrap.ssh_user.as_str(), bootstrap.ssh_private_key_path.as_str()),
        ("root", "keys/id")
    );
    assert_eq!(
        (
            bootstrap.ip_wait_timeout_ms,
            bootstrap.ssh_timeout_ms,
            bootstrap.ssh_connect_timeout_ms,
            bootstrap.command_timeout_ms
        ),
        (900_000, 600_000, 30_000, 60_000)
    );
}

/// Without it a pool would be scaled by other figures than its file names.
#[test]
fn every_key_of_metrics_arrives() {
    let metrics = many(&everything()).metrics.expect("a metrics block");
    assert_eq!(metrics.order, ["prometheus", "pushed", "x-ours"]);
    let expected = PrometheusSpec {
        url: "https://prometheus.example/base".to_owned(),
        utilization_query: "avg(gpu_busy)".to_owned(),
        pending_jobs_query: "sum(waiting)".to_owned(),
        queue_depth_query: "sum(jobs{pool='many'})".to_owned(),
        timeout_ms: 2_000,
        token_env: "PROMETHEUS_TOKEN".to_owned(),
    };
    assert_eq!(metrics.prometheus, Some(expected));
    let least = "metrics: {prometheus: {url: 'http://p', queries: {queue_depth: q}}}";
    let text = in_pool(&format!("{BASE}{least}"));
    let config = parse(&text, "navarch.yaml").unwrap_or_else(|error| panic!("{error}"));
    let metrics = config.fleet.pools[0].metrics.clone().expect("a metrics block");
    let prometheus = metrics.prometheus.expect("a server");
    assert_eq!((metrics.order.len(), prometheus.timeout_ms), (0, 5_000));
}

/// Without it a nested strategy, its defaults or its window's limits could be lost on the way.
#[test]
fn nested_strategies() {
    let autoscaling = many(&everything()).autoscaling.expect("a strategy");
    let Some(Strategy::Composite(composite)) = autoscaling.strategy else {
        panic!("not composite");
    };
    assert_eq!((composite.mode.as_str(), composite.autoscalers.len()), ("avg", 2));
    let Some(Strategy::Queue(queue)) = &composite.autoscalers[0].strategy else {
        panic!("not a queue");
    };
    assert_eq!(queue.jobs_per_node, 10);
    let Some(Strategy::Scheduled(scheduled)) = &composite.autoscalers[1].strategy else {
        panic!("not scheduled");
    };
    let window = &scheduled.schedule[0];
    assert_eq!(window.days, ["monday", "friday"]);
    assert_eq!((window.start_hour, window.end_hour), (22, 6));
    assert_eq!((window.min_nodes, window.max_nodes), (1, 4));
    let fallback = scheduled.fallback.as_ref().and_then(|fallback| fallback.strategy.clone());
    let Some(Strategy::Predictive(predictive)) = fallback else {
        panic!("not predictive");
    };
    assert_eq!((predictive.lookback_window, predictive.growth_factor), (5, 1.2));
    let fallback = predictive.fallback.and_then(|fallback| fallback.strategy);
    let Some(Strategy::Reactive(reactive)) = fallback else {
        panic!("not reactive");
    };
    assert_eq!((reactive.scale_up_at, reactive.scale_down_at), (80.0, 20.0));
}

/// Without it a key would be known to the parser and to nobody else, or explained and refused.
#[test]
fn the_reference_explains_every_key() {
    const REFERENCE: &str = include_str!("../../deploy/examples/reference.yaml");
    let config = parse(REFERENCE, "reference.yaml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    let lists: [&[&str]; 17] = [
        &autoscaling::KEYS,
        &autoscaling::WINDOW_KEYS,
        &breaker::KEYS,
        &defaults::KEYS,
        &load::KEYS,
        &metrics::KEYS,
        &metrics::PROMETHEUS_KEYS,
        &metrics::QUERY_KEYS,
        &notifier::WEBHOOK_KEYS,
        &pools::KEYS,
        &pools::PROVIDER_KEYS,
        &providers::KEYS,
        &replica::KEYS,
        &replica::TIMING_KEYS,
        &replica::TLS_KEYS,
        &settings::MANAGER_KEYS,
        &settings::SERVER_KEYS,
    ];
    let words = |text: &str| -> BTreeSet<String> {
        let word = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
        text.split(word).map(str::to_owned).collect()
    };
    let explained = words(REFERENCE);
    let missing =
        lists.iter().flat_map(|list| list.iter()).filter(|key| !explained.contains(**key));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}
