//! Pools that are wrong: each mistake by its key, its place and its remedy.

use rstest::rstest;

use super::mistakes_test::{BASE, in_pool, refusal};

/// Without it a pool that contradicts itself would be found out by what it buys.
#[rstest]
#[case::provider(
    "instance_type: t\nmax_nodes: 8\nprovider: g",
    "f.yaml:6:15: pools.p.provider: `g` is not one of `providers`; known here: f"
)]
#[case::no_provider("instance_type: t\nmax_nodes: 8", "f.yaml:3:3: pools.p.provider: missing")]
#[case::both(
    "provider: f\nproviders: [{name: f}]\ninstance_type: t\nmax_nodes: 8",
    "f.yaml:5:5: pools.p.providers: given beside `provider`; keep one"
)]
#[case::none("providers: []\ninstance_type: t\nmax_nodes: 8", "pools.p.provider: missing")]
#[case::twice(
    "providers: [{name: f}, {name: f}]\ninstance_type: t\nmax_nodes: 8",
    "pools.p.providers[1].name: `f` is listed twice"
)]
#[case::entry_name(
    "providers: [{priority: 1}]\ninstance_type: t\nmax_nodes: 8",
    "pools.p.providers[0].name: missing"
)]
#[case::type_missing(
    "provider: f\nmax_nodes: 8",
    "f.yaml:3:3: pools.p.instance_type: missing; write for example `instance_type: h100-8x`"
)]
#[case::type_empty("provider: f\nmax_nodes: 8\ninstance_type: ''", "pools.p.instance_type: empty")]
#[case::no_max("provider: f\ninstance_type: t", "pools.p.max_nodes: missing")]
#[case::max_zero(
    "provider: f\ninstance_type: t\nmax_nodes: 0",
    "f.yaml:6:16: pools.p.max_nodes: `0` is out of range: 1 to"
)]
#[case::max_text(
    "provider: f\ninstance_type: t\nmax_nodes: many",
    "expected a whole number, found the text `many`"
)]
#[case::max_fraction(
    "provider: f\ninstance_type: t\nmax_nodes: 1.5",
    "expected a whole number, found `1.5`"
)]
#[case::max_huge(
    "provider: f\ninstance_type: t\nmax_nodes: 99999999999999999999",
    "f.yaml:6:16: pools.p.max_nodes:"
)]
#[case::min_negative(
    "provider: f\ninstance_type: t\nmax_nodes: 8\nmin_nodes: -1",
    "`-1` is out of range"
)]
#[case::min_above_max(
    "provider: f\ninstance_type: t\nmax_nodes: 8\nmin_nodes: 9",
    "f.yaml:7:16: pools.p.min_nodes: 9 is more than `max_nodes`, which is 8"
)]
fn limits_and_providers(#[case] keys: &str, #[case] expected: &str) {
    let refused = refusal(&in_pool(keys));
    assert!(refused.contains(expected), "{keys}\n{refused}");
}

/// Without it a wrong value inside an otherwise good pool could pass.
#[rstest]
#[case::strategy(
    "strategy: cheapest",
    "f.yaml:7:15: pools.p.strategy: unknown value `cheapest`; one of priority,"
)]
#[case::near_strategy("strategy: roundrobin", "did you mean `round-robin`?")]
#[case::own_label(
    "labels: {navarch.pool: x}",
    "labels that start with `navarch.` are set by Navarch"
)]
#[case::health_flag(
    "health: {auto_replace: sometimes}",
    "expected `true` or `false`, found the text `sometimes`"
)]
#[case::health_zero("health: {unhealthy_after: 0}", "`0` is out of range: 1 to 1000")]
#[case::no_key("setup_commands: [ls]", "need `ssh_private_key_path` here or in `defaults`")]
#[case::command_map(
    "setup_commands: [{a: b}]\nssh_private_key_path: k",
    "pools.p.setup_commands[0]: expected text, found a map"
)]
#[case::region_list("region: [a]", "pools.p.region: expected text, found a list")]
#[case::region_lines("region: \"a\\nb\"", "holds a control character or a line break")]
#[case::zones_item("zones: [a, [b]]", "pools.p.zones[1]: expected text, found a list")]
#[case::no_type("autoscaling: {scale_up_at: 5}", "pools.p.autoscaling.type: missing")]
#[case::wrong_type(
    "autoscaling: {type: reactiv}",
    "f.yaml:7:25: pools.p.autoscaling.type: unknown value `reactiv`; did you mean `reactive`?"
)]
#[case::percent(
    "autoscaling: {type: reactive, scale_up_at: 101}",
    "`101` is out of range: 0 to 100"
)]
#[case::not_a_number("autoscaling: {type: reactive, scale_up_at: .nan}", "out of range: 0 to 100")]
#[case::crossed(
    "autoscaling: {type: reactive, scale_up_at: 20, scale_down_at: 80}",
    "`scale_down_at` (80) is above `scale_up_at` (20)"
)]
#[case::crossed_default(
    "autoscaling: {type: reactive, scale_up_at: 10}",
    "pools.p.autoscaling.scale_up_at: `scale_down_at` (20) is above"
)]
#[case::no_windows("autoscaling: {type: scheduled}", "pools.p.autoscaling.schedule: missing")]
#[case::hour(
    "autoscaling: {type: scheduled, schedule: [{start: 9, end: 25}]}",
    "schedule[0].end: `25` is out of range: 0 to 24"
)]
#[case::start_24(
    "autoscaling: {type: scheduled, schedule: [{start: 24, end: 1}]}",
    "schedule[0].start: `24` is out of range: 0 to 23"
)]
#[case::no_time(
    "autoscaling: {type: scheduled, schedule: [{start: 9, end: 9}]}",
    "are both 9, which is no time at all"
)]
#[case::no_end(
    "autoscaling: {type: scheduled, schedule: [{start: 9}]}",
    "schedule[0].end: missing"
)]
#[case::day(
    "autoscaling: {type: scheduled, schedule: [{days: [mondey], start: 1, end: 2}]}",
    "`mondey` is not a day of the week; did you mean `monday`?"
)]
#[case::window_limits(
    "autoscaling: {type: scheduled, schedule: [{start: 1, end: 2, min_nodes: 9}]}",
    "the window's minimum 9 is more than its maximum 8"
)]
#[case::zone(
    "autoscaling: {type: scheduled, time_zone: CEST, schedule: [{start: 1, end: 2}]}",
    "`CEST` is not a time zone"
)]
#[case::lookback(
    "autoscaling: {type: predictive, lookback_window: 0}",
    "`0` is out of range: 1 to 1000"
)]
#[case::growth(
    "autoscaling: {type: predictive, growth_factor: -1}",
    "`-1` is out of range: 0 to 100"
)]
#[case::fallback(
    "autoscaling: {type: predictive, fallback: {type: x}}",
    "pools.p.autoscaling.fallback.type: unknown value `x`"
)]
#[case::no_members("autoscaling: {type: composite}", "pools.p.autoscaling.autoscalers: missing")]
#[case::two_names(
    "autoscaling: {type: composite, autoscalers: [{type: queue}], strategies: [{type: queue}]}",
    "given beside `autoscalers`"
)]
#[case::mode(
    "autoscaling: {type: composite, mode: median, autoscalers: [{type: queue}]}",
    "unknown value `median`; one of max, min, avg"
)]
#[case::member(
    "autoscaling: {type: composite, autoscalers: [{type: queue, jobs_per_node: many}]}",
    "autoscalers[0].jobs_per_node: expected a whole number"
)]
#[case::window_key(
    "autoscaling: {type: scheduled, schedule: [{start: 1, end: 2, day: [monday]}]}",
    "unknown key `day`; did you mean `days`?"
)]
fn pools(#[case] keys: &str, #[case] expected: &str) {
    let refused = refusal(&in_pool(&format!("{BASE}{keys}")));
    assert!(refused.contains(expected), "{keys}\n{refused}");
}

/// Without it a pool would be held, or scaled by the wrong figures, for a slip in its sources.
#[rstest]
#[case::near_source("{order: [pushd]}", "unknown source `pushd`; did you mean `pushed`?")]
#[case::source("{order: [slurm]}", "one of pushed, prometheus, heartbeats, or `x-...`")]
#[case::no_source("{order: []}", "pools.p.metrics.order: names no source")]
#[case::twice("{order: [pushed, pushed]}", "`pushed` is named twice")]
#[case::unasked("{order: [prometheus]}", "there is no `prometheus` block")]
#[case::no_url("{prometheus: {queries: {queue_depth: q}}}", "metrics.prometheus.url: missing")]
#[case::scheme("{prometheus: {url: 'p:9090', queries: {queue_depth: q}}}", "is not a URL")]
#[case::password(
    "{prometheus: {url: 'http://me:pw@p', queries: {queue_depth: q}}}",
    "holds a user name or password; use `token_env`"
)]
#[case::url_query(
    "{prometheus: {url: 'http://p/api/v1/query?query=up', queries: {queue_depth: q}}}",
    "has a query or a fragment"
)]
#[case::no_queries("{prometheus: {url: 'http://p'}}", "metrics.prometheus.queries: missing")]
#[case::query_key(
    "{prometheus: {url: 'http://p', queries: {queue: q}}}",
    "unknown key `queue`; did you mean `queue_depth`?"
)]
#[case::patience(
    "{prometheus: {url: 'http://p', queries: {queue_depth: q}, timeout: 61s}}",
    "61000 ms is longer than `1m`"
)]
#[case::secret(
    "{prometheus: {url: 'http://p', queries: {queue_depth: q}, token_env: secret-key}}",
    "expected the name of an environment variable"
)]
fn metrics(#[case] block: &str, #[case] expected: &str) {
    let refused = refusal(&in_pool(&format!("{BASE}metrics: {block}")));
    assert!(refused.contains(expected), "{block}\n{refused}");
    assert!(!refused.contains("me:pw"), "{refused}");
}
