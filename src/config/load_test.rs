//! What files of the original's shape, and of ours, come to.

use std::{path::Path, time::Duration};

use navarch_proto::fleet::{PoolSpec, autoscaling::Strategy};
use rstest::rstest;

use super::{Config, ConfigError, InitialReplica, TlsFiles, dev_file, load, parse, parse_fleet};

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/examples")
        .join(name);
    load(path).unwrap_or_else(|error| panic!("{error}"))
}

fn read(text: &str) -> Config {
    parse(text, "navarch.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn pool(config: &Config, name: &str) -> PoolSpec {
    let found = config.fleet.pools.iter().find(|pool| pool.name == name);
    found.cloned().unwrap_or_else(|| panic!("no pool {name}"))
}

/// Without it the file that every guide starts from could stop loading.
#[test]
fn the_two_pool_example() {
    let config = example("two-pools.yaml");
    assert_eq!(config.warnings, Vec::<String>::new());
    let names: Vec<_> = config
        .fleet
        .pools
        .iter()
        .map(|pool| pool.name.as_str())
        .collect();
    assert_eq!(names, ["inference", "training"]);
    let training = pool(&config, "training");
    assert_eq!(
        (training.min_nodes, training.max_nodes, training.cooldown_ms),
        (2, 8, 300_000)
    );
    assert_eq!(training.providers[0].name, "fake");
    assert_eq!(training.ssh_keys, ["ops-team"]);
    assert_eq!(training.labels["workload"], "training");
    let strategy = training
        .autoscaling
        .and_then(|autoscaling| autoscaling.strategy);
    let Some(Strategy::Reactive(reactive)) = strategy else {
        panic!("not reactive: {strategy:?}");
    };
    assert_eq!((reactive.scale_up_at, reactive.scale_down_at), (75.0, 25.0));
    let inference = pool(&config, "inference");
    assert_eq!(
        (inference.unhealthy_after, inference.auto_replace),
        (2, true)
    );
}

/// Without it a default could differ from the contract, on one replica or on all.
#[test]
fn defaults_are_the_contracts() {
    let config = read(
        "providers: {f: {type: fake}}\npools: {p: {provider: f, instance_type: t, max_nodes: 1}}\n",
    );
    let settings = config.fleet.settings.clone().expect("settings");
    let notifier = settings.notifier.clone().expect("a notifier");
    assert_eq!(
        (
            settings.heartbeat_interval_ms,
            settings.heartbeat_timeout_ms,
            settings.health_check_interval_ms
        ),
        (30_000, 90_000, 60_000)
    );
    assert_eq!(
        (
            settings.autoscale_interval_ms,
            settings.registration_timeout_ms
        ),
        (30_000, 600_000)
    );
    assert_eq!(
        (
            settings.stale_check_interval_ms,
            settings.retain_terminated_ms
        ),
        (60_000, 86_400_000)
    );
    assert_eq!(
        (settings.launch_timeout_ms, settings.max_registered_nodes),
        (300_000, 200_000)
    );
    assert_eq!(settings.max_heartbeats_per_second, 20_000);
    assert_eq!(settings.enabled_health_checks, ["boot", "nvml", "xid"]);
    assert_eq!(
        (notifier.r#type.as_str(), notifier.timeout_ms),
        ("noop", 30_000)
    );
    let pool = pool(&config, "p");
    assert_eq!(
        (pool.strategy.as_str(), pool.min_nodes, pool.cooldown_ms),
        ("priority", 0, 300_000)
    );
    assert_eq!((pool.unhealthy_after, pool.auto_replace), (2, true));
    assert_eq!((pool.autoscaling, pool.bootstrap), (None, None));
    assert_eq!(pool.providers[0].weight, 1);
    assert_eq!(config.replica.address, ":50051");
    assert_eq!(config.replica.external_address, ":50051");
    assert_eq!(config.replica.advertise_address, "127.0.0.1:50051");
    assert_eq!(config.replica.peer_address, "127.0.0.1:50052");
    assert_eq!(
        (config.replica.name.as_str(), config.replica.tls),
        ("r1", None)
    );
    assert_eq!(
        (config.health_policy, config.fleet.policy_yaml.as_str()),
        (None, "")
    );
}

/// Without it three heartbeats would not be three of the configured ones.
#[test]
fn the_heartbeat_timeout_follows_the_interval() {
    let settings = read("server: {heartbeat_interval: 10s}\n")
        .fleet
        .settings
        .expect("settings");
    assert_eq!(settings.heartbeat_timeout_ms, 30_000);
}

/// Without it a pool could replace machines that its owner told it to leave alone.
#[rstest]
#[case::nothing_said("", "", (2, true))]
#[case::a_block_that_does_not_say("health: {unhealthy_after: 5}", "", (5, false))]
#[case::an_empty_block("health: {}", "", (2, false))]
#[case::all_said("health: {unhealthy_after: 3, auto_replace: true}", "", (3, true))]
#[case::from_the_defaults("", "health: {unhealthy_after: 4}", (4, false))]
#[case::the_pool_wins("health: {auto_replace: true}", "health: {unhealthy_after: 4}", (2, true))]
fn health_blocks(#[case] of_pool: &str, #[case] of_defaults: &str, #[case] expected: (u32, bool)) {
    let text = format!(
        "providers:\n  f: {{type: fake}}\npools:\n  p:\n    provider: f\n    instance_type: t\n    max_nodes: 1\n    {of_pool}\ndefaults:\n  {of_defaults}\n"
    );
    let pool = pool(&read(&text), "p");
    assert_eq!((pool.unhealthy_after, pool.auto_replace), expected);
}

const EVERYTHING: &str = r#"
server:
  address: 0.0.0.0:7000
  external_address: https://tunnel.example
  heartbeat_interval: 1m30s
  heartbeat_timeout: 5m
  health_check_interval: 1.5m
  autoscale_interval: 500ms
  enabled_health_checks: [nvml]
  health_policy: policies/ours.yaml
  max_registered_nodes: 1000
  max_heartbeats_per_second: 500
  notifier:
    type: webhook
    webhook:
      cordon_url: http://slurm.example/cordon
      drain_url: http://slurm.example/drain
      drain_status_url: http://slurm.example/drained
      timeout: 5s
      headers: {Authorization: "Bearer ${SLURM_TOKEN}", X-Team: 7}
instance_manager: {registration_timeout: 20m, stale_check_interval: 30s, retain_terminated: 48h, launch_timeout: 2m}
providers:
  zeta: {type: lambda, api_key_env: LAMBDA_API_KEY}
  alpha: {type: gcp, project: 12345, zone: us-central1-a}
  mid: {type: aws, region: us-east-1}
  own: {type: http, url: "https://cloud.example", token_env: CLOUD_TOKEN, ca_file: ca.pem}
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
    setup_commands:
      - echo one
      - |
        echo two
        echo three
    ssh_user: root
    command_timeout: 1m
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

/// Without it a key could be read and lost.
#[test]
fn every_key_arrives() {
    let config = read(EVERYTHING);
    assert_eq!(config.warnings, Vec::<String>::new());
    let settings = config.fleet.settings.clone().expect("settings");
    assert_eq!(
        (
            settings.heartbeat_interval_ms,
            settings.heartbeat_timeout_ms
        ),
        (90_000, 300_000)
    );
    assert_eq!(
        (
            settings.health_check_interval_ms,
            settings.autoscale_interval_ms
        ),
        (90_000, 500)
    );
    assert_eq!(
        (settings.launch_timeout_ms, settings.max_registered_nodes),
        (120_000, 1_000)
    );
    let notifier = settings.notifier.expect("a notifier");
    assert_eq!(
        (notifier.r#type.as_str(), notifier.timeout_ms),
        ("webhook", 5_000)
    );
    assert_eq!(notifier.headers["Authorization"], "Bearer ${SLURM_TOKEN}");
    assert_eq!(notifier.headers["X-Team"], "7");
    assert_eq!(
        config.health_policy.as_deref(),
        Some(Path::new("policies/ours.yaml"))
    );
    let names: Vec<_> = config
        .fleet
        .providers
        .iter()
        .map(|provider| provider.name.as_str())
        .collect();
    assert_eq!(names, ["alpha", "mid", "own", "zeta"]);
    assert_eq!(config.fleet.providers[0].project, "12345");
    assert_eq!(config.fleet.providers[2].url, "https://cloud.example");
    let pool = pool(&config, "many");
    let priorities: Vec<_> = pool
        .providers
        .iter()
        .map(|choice| (choice.priority, choice.weight))
        .collect();
    assert_eq!(priorities, [(1, 1), (2, 3)]);
    assert_eq!(
        (pool.strategy.as_str(), pool.cooldown_ms),
        ("round-robin", 0)
    );
    assert_eq!(
        (pool.zones.join(","), pool.ssh_keys.join(",")),
        ("a,b".to_owned(), "mine".to_owned())
    );
    let bootstrap = pool.bootstrap.expect("a bootstrap");
    assert_eq!(
        bootstrap.setup_commands,
        ["echo one", "echo two\necho three\n"]
    );
    assert_eq!(
        (
            bootstrap.ssh_user.as_str(),
            bootstrap.ssh_private_key_path.as_str()
        ),
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

/// Without it a nested strategy, its defaults or its window's limits could be lost on the way.
#[test]
fn nested_strategies() {
    let autoscaling = pool(&read(EVERYTHING), "many")
        .autoscaling
        .expect("a strategy");
    let Some(Strategy::Composite(composite)) = autoscaling.strategy else {
        panic!("not composite");
    };
    assert_eq!(
        (composite.mode.as_str(), composite.autoscalers.len()),
        ("avg", 2)
    );
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
    let fallback = scheduled
        .fallback
        .as_ref()
        .and_then(|fallback| fallback.strategy.clone());
    let Some(Strategy::Predictive(predictive)) = fallback else {
        panic!("not predictive");
    };
    assert_eq!(
        (predictive.lookback_window, predictive.growth_factor),
        (5, 1.2)
    );
    let fallback = predictive.fallback.and_then(|fallback| fallback.strategy);
    let Some(Strategy::Reactive(reactive)) = fallback else {
        panic!("not reactive");
    };
    assert_eq!((reactive.scale_up_at, reactive.scale_down_at), (80.0, 20.0));
}

/// Without it replicas on machines of their own would not find each other, or their files.
#[test]
fn the_replica_example() {
    let config = example("replica.yaml");
    let replica = config.replica;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    assert_eq!(replica.name, "r1");
    assert_eq!(replica.data_dir, Path::new("/var/lib/navarch"));
    assert_eq!(replica.external_address, "https://navarch.example:50051");
    assert_eq!(
        replica.advertise_address,
        "https://r1.navarch.example:50051"
    );
    assert_eq!(
        (
            replica.peer_address.as_str(),
            replica.advertise_peer_address.as_str()
        ),
        (":50052", "r1.navarch.example:50052")
    );
    let third = InitialReplica {
        name: "r3".to_owned(),
        address: "r3.navarch.example:50052".to_owned(),
    };
    assert_eq!(replica.initial_replicas[2], third);
    assert_eq!(replica.timings.election_max, Duration::from_millis(600));
    let tls = TlsFiles {
        ca: folder.join("tls/ca.pem"),
        cert: folder.join("tls/r1.pem"),
        key: folder.join("tls/r1.key"),
    };
    assert_eq!(replica.tls, Some(tls));
}

/// Without it `navarch dev` would not start when it is given no file.
#[rstest]
#[case(0, 0, 2)]
#[case(1, 1, 3)]
#[case(16, 16, 24)]
#[case(1_000, 1_000, 1_500)]
fn the_dev_file(#[case] nodes: u32, #[case] min: u32, #[case] max: u32) {
    let config = read(&dev_file(nodes));
    assert_eq!(config.warnings, Vec::<String>::new());
    let pool = pool(&config, "training");
    assert_eq!((pool.min_nodes, pool.max_nodes), (min, max));
}

/// Without it keys that do nothing would be taken for keys that work.
#[test]
fn what_is_not_used_is_warned_of() {
    let text = "\
server:
  notifier: {type: webhook, webhook: {drain_url: 'http://x', headers: {authorization: secret}}}
providers:
  f: {type: fake, project: p}
pools:
  p:
    provider: f
    instance_type: t
    max_nodes: 1
    autoscaling: {type: queue, scale_up_at: 70, jobs_per_node: 0}
";
    let warnings = read(text).warnings;
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    assert!(warnings[0].starts_with("navarch.yaml:2:"), "{warnings:#?}");
    assert!(
        warnings[0].contains("enters the replicated log"),
        "{warnings:#?}"
    );
    assert!(
        warnings[1].contains("providers.f.project: not used by a provider of type `fake`"),
        "{warnings:#?}"
    );
}

/// Without it a health policy could be read from the wrong folder, or not at all.
#[test]
fn the_health_policy_is_read_beside_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("navarch.yaml");
    std::fs::write(&file, "server: {health_policy: policy.yaml}\n").expect("writes");
    let missing = load(&file).expect_err("no policy");
    assert!(
        matches!(&missing, ConfigError::Read { path, .. } if path.ends_with("policy.yaml")),
        "{missing}"
    );
    std::fs::write(folder.path().join("policy.yaml"), "version: v1\n").expect("writes");
    assert_eq!(
        load(&file).expect("loads").fleet.policy_yaml,
        "version: v1\n"
    );
    std::fs::write(folder.path().join("policy.yaml"), vec![b' '; 70_000]).expect("writes");
    assert!(matches!(
        load(&file),
        Err(ConfigError::TooLarge { limit: 65_536, .. })
    ));
    std::fs::write(&file, b"pools: \xff").expect("writes");
    assert!(matches!(
        load(&file),
        Err(ConfigError::NotText { offset: 7, .. })
    ));
    assert!(matches!(
        load(folder.path().join("none.yaml")),
        Err(ConfigError::Read { .. })
    ));
}

/// Without it an `apply` over the wire would drop the policy that its file names.
#[test]
fn a_policy_that_did_not_come_along_is_refused() {
    let text = "server: {health_policy: p.yaml}\n";
    let refused = parse_fleet(text, "").expect_err("no policy");
    assert!(
        refused.to_string().contains("did not come along"),
        "{refused}"
    );
    assert_eq!(
        parse_fleet(text, "version: v1")
            .expect("parses")
            .policy_yaml,
        "version: v1"
    );
    assert_eq!(
        parse_fleet("server: {}\n", "").expect("parses").policy_yaml,
        ""
    );
}
