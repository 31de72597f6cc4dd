use std::path::Path;

use super::plan::Plan;
use crate::config::{self, Yaml};

const ORIGINAL: &str = "\
server:
  address: \":50051\"
  heartbeat_interval: 5s
  health_policy: policies/health.yaml
providers:
  local:
    type: fake
    gpu_count: 8
  real:
    type: lambda
    api_key_env: LAMBDA_API_KEY
pools:
  training:
    provider: local
    instance_type: h100-8x
    min_nodes: 2
    max_nodes: 4
    labels: { tier: 1.10 }
cluster:
  timings: { heartbeat: 50ms, election_min: 150ms, election_max: 300ms }
";

fn plan() -> Plan {
    Plan::new(Path::new("/tmp/group"), 3, 50_051).unwrap()
}

/// Without it two processes could be given one port, or a port other than the documented one.
#[test]
fn ports_are_where_the_contract_says_and_all_different() {
    let plan = plan();
    assert_eq!(plan.servers(), "127.0.0.1:50051,127.0.0.1:50052,127.0.0.1:50053");
    assert_eq!(plan.cloud_address(), "127.0.0.1:50101");
    assert_eq!(plan.replicas[2].peer_address(), "127.0.0.1:20053");
    assert_eq!(plan.replicas[1].data_dir, Path::new("/tmp/group/r2"));
    let largest = Plan::new(Path::new("/tmp/group"), 9, 65_476).unwrap();
    let [least, middle, next] =
        [1, 32_659, 32_660].map(|port| Plan::new(Path::new("/tmp/group"), 9, port).unwrap());
    assert_eq!(middle.replicas[8].peer_port, 32_767);
    assert_eq!(next.replicas[0].peer_port, 2_660);
    for plan in [plan, least, middle, next, largest] {
        let mut ports: Vec<_> = plan.ports().into_iter().map(|(port, _)| port).collect();
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), count);
    }
}

/// Without it an impossible plan would fail after something was started.
#[test]
fn counts_and_ports_out_of_range_are_refused_with_the_flag() {
    for (count, port, flag) in [
        (0, 1, "--replicas 0"),
        (10, 1, "--replicas 10"),
        (3, 0, "--port 0"),
        (3, 65_477, "--port 65477"),
    ] {
        let failure = Plan::new(Path::new("x"), count, port).unwrap_err();
        assert!(failure.to_string().contains(flag), "{failure}");
    }
}

/// Without it an original-style file would not run as it is.
#[test]
fn an_original_file_loads_with_the_plans_addresses_and_the_fake_cloud() {
    let plan = plan();
    let base = Yaml::read(ORIGINAL, "navarch.yaml").unwrap();
    let yaml = plan.configuration(&plan.replicas[1], &base, Path::new("/etc/navarch"));
    let text = yaml.write();
    let config = config::parse(&text, "r2.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let replica = &config.replica;
    assert_eq!(replica.name, "r2");
    assert_eq!(replica.address, "127.0.0.1:50052");
    assert_eq!(replica.external_address, "127.0.0.1:50052");
    assert_eq!(replica.peer_address, "127.0.0.1:20052");
    assert_eq!(replica.data_dir, Path::new("/tmp/group/r2"));
    let peers: Vec<_> = replica.initial_replicas.iter().map(|peer| peer.address.as_str()).collect();
    assert_eq!(peers, ["127.0.0.1:20051", "127.0.0.1:20052", "127.0.0.1:20053"]);
    assert_eq!(replica.timings.election_max.as_millis(), 300);
    assert_eq!(
        config.health_policy.as_deref(),
        Some(Path::new("/etc/navarch/policies/health.yaml"))
    );
    assert_eq!(Plan::cloud_of(&base), ["--provider", "local", "--gpu-count", "8"]);
    let [local, real] = config.fleet.providers.as_slice() else {
        panic!("{:?}", config.fleet.providers);
    };
    assert_eq!((local.r#type.as_str(), local.url.as_str()), ("http", "http://127.0.0.1:50101"));
    assert_eq!((real.r#type.as_str(), real.api_key_env.as_str()), ("lambda", "LAMBDA_API_KEY"));
    assert_eq!(config.fleet.pools[0].labels["tier"], "1.10");
    assert_eq!(config.warnings, Vec::<String>::new());
}

/// Without it all replicas could disagree on the fleet, which must be the same in every file.
#[test]
fn the_default_file_gives_every_replica_the_same_fleet() {
    let plan = plan();
    let base = Yaml::read(&config::dev_file(16), "dev").unwrap();
    let fleets: Vec<_> = plan
        .replicas
        .iter()
        .map(|replica| {
            let text = plan.configuration(replica, &base, Path::new("/")).write();
            config::parse(&text, "dev").unwrap().fleet
        })
        .collect();
    assert_eq!(fleets[0].pools[0].min_nodes, 16);
    assert!(fleets.iter().all(|fleet| *fleet == fleets[0]));
}

/// Without it a second run with other ports would start replicas that cannot find each other.
#[test]
fn a_directory_keeps_its_layout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    let plan = |count, port| Plan::new(&path, count, port).unwrap();
    assert!(!plan(3, 50_051).claim_directory().unwrap());
    assert!(plan(3, 50_051).claim_directory().unwrap());
    for other in [plan(5, 50_051), plan(3, 6_000)] {
        let failure = other.claim_directory().unwrap_err();
        assert!(failure.to_string().contains("3 replicas on port 50051"), "{failure}");
    }
}
