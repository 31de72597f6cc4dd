use navarch_proto::fleet::FleetSpec;

use super::{diff, diff_telling, parse_fleet};

fn fleet(text: &str) -> FleetSpec {
    parse_fleet(text, "").unwrap_or_else(|error| panic!("{error}"))
}

const OLD: &str = "
server:
  heartbeat_interval: 30s
  notifier: {type: webhook, webhook: {drain_url: 'http://a', headers: {X-Key: one}}}
providers: {f: {type: fake, gpu_count: 8}, g: {type: gcp}}
pools:
  training:
    provider: f
    instance_type: h100-8x
    min_nodes: 2
    max_nodes: 8
    labels: {team: blue}
    autoscaling: {type: reactive, scale_up_at: 80, scale_down_at: 20}
  batch: {provider: f, instance_type: t, max_nodes: 1}
";

/// Without it an `apply` could be confirmed by a person who was shown less, or other, than what it
/// changes.
#[test]
fn one_line_a_change() {
    let new = "
server:
  heartbeat_interval: 1m
  notifier: {type: webhook, webhook: {drain_url: 'http://a', headers: {X-Key: two}}}
providers: {f: {type: fake, gpu_count: 4}, h: {type: aws}}
pools:
  training:
    provider: f
    instance_type: h100-8x
    min_nodes: 2
    max_nodes: 16
    cooldown: 90s
    scale_up_cooldown: 0s
    scale_down_cooldown: 15m
    zones: [a, b]
    metrics: {order: [prometheus], prometheus: {url: 'http://p', queries: {queue_depth: q}}}
    autoscaling:
      type: scheduled
      schedule: [{days: [mon], start: 9, end: 18, max_nodes: 4}]
      fallback: {type: queue}
  burst: {provider: f, instance_type: t, max_nodes: 1}
";
    assert_eq!(
        diff(&fleet(OLD), &fleet(new)),
        [
            "pools.batch: removed",
            "pools.burst: added",
            "pools.training.autoscaling.fallback.jobs_per_node: unset -> 10",
            "pools.training.autoscaling.fallback.type: unset -> queue",
            "pools.training.autoscaling.scale_down_at: 20 -> unset",
            "pools.training.autoscaling.scale_up_at: 80 -> unset",
            "pools.training.autoscaling.schedule[0]: unset -> [monday] 9 to 18 h: 2 to 4 nodes",
            "pools.training.autoscaling.type: reactive -> scheduled",
            "pools.training.cooldown: 5m -> 1m30s",
            "pools.training.labels.team: `blue` -> unset",
            "pools.training.max_nodes: 8 -> 16",
            "pools.training.metrics.order: unset -> [prometheus]",
            "pools.training.metrics.prometheus.queries.queue_depth: unset -> q",
            "pools.training.metrics.prometheus.timeout: unset -> 5s",
            "pools.training.metrics.prometheus.url: unset -> http://p",
            "pools.training.scale_down_cooldown: unset -> 15m",
            "pools.training.scale_up_cooldown: unset -> 0s",
            "pools.training.zones: unset -> [a, b]",
            "providers.f.gpu_count: 8 -> 4",
            "providers.g: removed",
            "providers.h: added",
            "server.heartbeat_interval: 30s -> 1m",
            "server.heartbeat_timeout: 1m30s -> 3m",
            "server.notifier.webhook.headers.X-Key: changed (not shown)",
        ]
    );
}

/// Without it a replica would log a difference at each start, or miss a changed policy.
#[test]
fn equal_is_empty_and_a_policy_counts() {
    let old = fleet(OLD);
    assert_eq!(diff(&old, &old), Vec::<String>::new());
    let with = |policy: &str| FleetSpec { policy_yaml: policy.to_owned(), ..old.clone() };
    let key = "server.health_policy";
    assert_eq!(diff(&old, &with("abc")), [format!("{key}: built-in -> a policy of 3 bytes")]);
    assert_eq!(diff(&with("abc"), &with("abd")), [format!("{key}: changed (a policy of 3 bytes)")]);
}

/// Without it an operator would not see what a removal costs, or a second `apply` of one file would tell changes.
#[test]
fn a_removal_tells_of_its_machines_once() {
    let old = fleet(OLD);
    let mut new = old.clone();
    new.pools.retain(|pool| pool.name != "batch");
    let left = |block: &str, name: &str| format!(", draining {block}/{name}");
    let expected = ["pools.batch: removed, draining pools/batch"];
    assert_eq!(diff_telling(&old, &new, left), expected);
    let mut retires = old.clone();
    let batch = retires.pools.iter_mut().find(|pool| pool.name == "batch").unwrap();
    batch.retiring = true;
    assert_eq!(diff(&retires, &new), [""; 0]);
    assert_eq!(diff(&retires, &old), ["pools.batch: kept after all (it was being removed)"]);
}

/// Without it the first `apply` of a fleet could fail on a specification without settings.
#[test]
fn from_nothing() {
    let lines = diff(&FleetSpec::default(), &fleet(OLD));
    assert!(lines.contains(&"pools.training: added".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"server.heartbeat_interval: unset -> 30s".to_owned()), "{lines:#?}");
}
