//! What files of the original's shape, and of ours, come to.

use std::{path::Path, time::Duration};

use navarch_proto::fleet::{PoolSpec, autoscaling::Strategy};
use rstest::rstest;

use super::{Config, ConfigError, InitialReplica, TlsFiles, dev_file, load, parse, parse_fleet};

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples").join(name);
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
    let names: Vec<_> = config.fleet.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["inference", "training"]);
    let training = pool(&config, "training");
    assert_eq!((training.min_nodes, training.max_nodes, training.cooldown_ms), (2, 8, 300_000));
    assert_eq!(training.providers[0].name, "fake");
    assert_eq!(training.ssh_keys, ["ops-team"]);
    assert_eq!(training.labels["workload"], "training");
    let strategy = training.autoscaling.and_then(|autoscaling| autoscaling.strategy);
    let Some(Strategy::Reactive(reactive)) = strategy else {
        panic!("not reactive: {strategy:?}");
    };
    assert_eq!((reactive.scale_up_at, reactive.scale_down_at), (75.0, 25.0));
    let inference = pool(&config, "inference");
    assert_eq!((inference.unhealthy_after, inference.auto_replace), (2, true));
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
        (settings.autoscale_interval_ms, settings.registration_timeout_ms),
        (30_000, 600_000)
    );
    assert_eq!(
        (settings.stale_check_interval_ms, settings.retain_terminated_ms),
        (60_000, 86_400_000)
    );
    assert_eq!((settings.launch_timeout_ms, settings.max_registered_nodes), (300_000, 200_000));
    assert_eq!(settings.max_heartbeats_per_second, 20_000);
    assert_eq!(settings.max_registrations_per_second, 1_000);
    assert_eq!((settings.breaker_window_ms, settings.breaker_open_percent), (600_000, 55));
    assert_eq!((settings.breaker_close_percent, settings.losses_a_minute_percent), (30, 10));
    assert_eq!(settings.enabled_health_checks, ["boot", "nvml", "xid"]);
    assert_eq!((notifier.r#type.as_str(), notifier.timeout_ms), ("noop", 30_000));
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
    assert_eq!((config.replica.name.as_str(), config.replica.tls), ("r1", None));
    assert_eq!((config.health_policy, config.fleet.policy_yaml.as_str()), (None, ""));
}

/// Without it three heartbeats would not be three of the configured ones.
#[test]
fn the_heartbeat_timeout_follows_the_interval() {
    let settings = read("server: {heartbeat_interval: 10s}\n").fleet.settings.expect("settings");
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

/// Without it replicas on machines of their own would not find each other, or their files.
#[test]
fn the_replica_example() {
    let config = example("replica.yaml");
    let replica = config.replica;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    assert_eq!(replica.name, "r1");
    assert_eq!(replica.data_dir, Path::new("/var/lib/navarch"));
    assert_eq!(replica.external_address, "https://navarch.example:50051");
    assert_eq!(replica.advertise_address, "https://10.0.0.1:50051");
    assert_eq!(
        (replica.peer_address.as_str(), replica.advertise_peer_address.as_str()),
        (":50052", "10.0.0.1:50052")
    );
    let third = InitialReplica { name: "r3".to_owned(), address: "10.0.0.3:50052".to_owned() };
    assert_eq!(replica.initial_replicas[2], third);
    assert_eq!(replica.timings.election_max, Duration::from_millis(400));
    let tls = TlsFiles {
        ca: folder.join("tls/ca.pem"),
        cert: folder.join("tls/10.0.0.1.pem"),
        key: folder.join("tls/10.0.0.1-key.pem"),
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
    assert!(warnings[0].contains("enters the replicated log"), "{warnings:#?}");
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
    assert_eq!(load(&file).expect("loads").fleet.policy_yaml, "version: v1\n");
    std::fs::write(folder.path().join("policy.yaml"), vec![b' '; 70_000]).expect("writes");
    assert!(matches!(load(&file), Err(ConfigError::TooLarge { limit: 65_536, .. })));
    std::fs::write(&file, b"pools: \xff").expect("writes");
    assert!(matches!(load(&file), Err(ConfigError::NotText { offset: 7, .. })));
    assert!(matches!(load(folder.path().join("none.yaml")), Err(ConfigError::Read { .. })));
}

/// Without it an `apply` over the wire would drop the policy that its file names.
#[test]
fn a_policy_that_did_not_come_along_is_refused() {
    let text = "server: {health_policy: p.yaml}\n";
    let refused = parse_fleet(text, "").expect_err("no policy");
    assert!(refused.to_string().contains("did not come along"), "{refused}");
    assert_eq!(parse_fleet(text, "version: v1").expect("parses").policy_yaml, "version: v1");
    assert_eq!(parse_fleet("server: {}\n", "").expect("parses").policy_yaml, "");
}
