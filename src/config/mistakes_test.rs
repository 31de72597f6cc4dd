//! Files that are wrong: each mistake by its key, its place and its remedy.

use miette::Diagnostic as _;
use rstest::rstest;

use super::{ConfigError, parse};

pub(super) fn refusal(text: &str) -> String {
    match parse(text, "f.yaml") {
        Ok(config) => panic!("loaded: {config:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// Wraps keys of one pool, which start in line 4, column 5.
pub(super) fn in_pool(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("providers: {{f: {{type: fake}}}}\npools:\n  p:\n{keys}")
}

pub(super) const BASE: &str = "provider: f\ninstance_type: t\nmax_nodes: 8\n";

/// Without it a slip anywhere in a file could be ignored, as the original did, or be told without
/// its line.
#[rstest]
#[case::unknown_key("serve: {}", "f.yaml:1:1: serve: unknown key `serve`; did you mean `server`?")]
#[case::unknown_inner(
    "server:\n  heartbeat_intervall: 5s",
    "f.yaml:2:3: server.heartbeat_intervall: unknown key `heartbeat_intervall`; did you mean `heartbeat_interval`?"
)]
#[case::nothing_near("server:\n  zzz: 5s", "known here: address, external_address,")]
#[case::not_a_map("server: 5", "f.yaml:1:9: server: expected a map of keys, found `5`")]
#[case::a_list_for_a_map("pools: [a]", "f.yaml:1:8: pools: expected a map of keys, found a list")]
#[case::twice(
    "server: {}\nserver: {}",
    "f.yaml:2:1: server: the key is given twice (first in line 1)"
)]
#[case::empty("", "the file is empty")]
#[case::only_a_comment("# nothing\n", "the file is empty")]
#[case::broken("a: [", "f.yaml:1:")]
#[case::a_text("just text", "expected a map of keys, found the text `just text`")]
#[case::no_unit(
    "server: {heartbeat_interval: 30}",
    "f.yaml:1:30: server.heartbeat_interval: `30` has no unit: write `30s`"
)]
#[case::negative("server: {heartbeat_interval: -5s}", "`-5s` is negative")]
#[case::zero("server: {autoscale_interval: 0s}", "zero makes no sense here")]
#[case::absurd("server: {heartbeat_timeout: 90000h}", "`90000h` is more than ten years")]
#[case::no_duration("instance_manager: {launch_timeout: soon}", "`soon` is not a duration")]
#[case::duration_list(
    "server: {heartbeat_interval: [5s]}",
    "expected a duration such as `30s`, found a list"
)]
#[case::timeout_within_interval(
    "server: {heartbeat_interval: 30s, heartbeat_timeout: 20s}",
    "server.heartbeat_timeout: must be longer than `heartbeat_interval`"
)]
#[case::short_window(
    "server: {heartbeat_interval: 30s, breaker: {window: 1m}}",
    "server.breaker.window: must not be shorter than `heartbeat_timeout`"
)]
#[case::crossed_shares(
    "server: {breaker: {open_above_percent: 20}}",
    "server.breaker.close_below_percent: must not be above `open_above_percent`"
)]
#[case::more_than_all(
    "server: {breaker: {open_above_percent: 101}}",
    "`101` is out of range: 1 to 100"
)]
#[case::bad_address("server: {address: localhost}", "`localhost` is not an address")]
#[case::bad_port("server: {address: ':70000'}", "the port `70000` is not a number")]
#[case::bad_url("server: {external_address: 'ftp://x'}", "`ftp://x` is not a URL")]
#[case::half_a_certificate("server: {tls: {cert: r1.pem}}", "server.tls.key: missing")]
#[case::an_authority_for_clients(
    "server: {tls: {ca: ca.pem, cert: c, key: k}}",
    "server.tls.ca: unknown key `ca`"
)]
#[case::checks_twice("server: {enabled_health_checks: [xid, xid]}", "`xid` is named twice")]
#[case::checks_no_list(
    "server: {enabled_health_checks: xid}",
    "expected a list, found the text `xid`"
)]
#[case::limit_zero("server: {max_registered_nodes: 0}", "`0` is out of range: 1 to")]
#[case::notifier_type(
    "server: {notifier: {type: webhok}}",
    "unknown value `webhok`; did you mean `webhook`?"
)]
#[case::notifier_block("server: {notifier: {type: webhook}}", "server.notifier.webhook: missing")]
#[case::notifier_url(
    "server: {notifier: {type: webhook, webhook: {drain_url: nowhere}}}",
    "`nowhere` is not a URL"
)]
#[case::header_open(
    "server: {notifier: {type: webhook, webhook: {headers: {a: '${X'}}}}",
    "`${` is not closed"
)]
#[case::header_name(
    "server: {notifier: {type: webhook, webhook: {headers: {'a b': x}}}}",
    "`a b` is not the name of an HTTP header"
)]
#[case::provider_type(
    "providers: {f: {type: azure}}",
    "unknown value `azure`; one of fake, http, lambda, gcp, aws, custom"
)]
#[case::provider_no_type(
    "providers:\n  f: {gpu_count: 8}",
    "f.yaml:2:3: providers.f.type: missing"
)]
#[case::provider_no_url("providers: {f: {type: http}}", "providers.f.url: missing")]
#[case::provider_ca(
    "providers: {f: {type: http, url: 'http://x', ca_file: a}}",
    "needs a `url` that starts with `https://`"
)]
#[case::provider_secret(
    "providers: {f: {type: lambda, api_key_env: secret-key}}",
    "expected the name of an environment variable"
)]
#[case::provider_gpus(
    "providers: {f: {type: fake, gpu_count: 65}}",
    "`65` is out of range: 0 to 64"
)]
#[case::name_blank("providers: {'a b': {type: fake}}", "a name has no blanks")]
fn the_file(#[case] text: &str, #[case] expected: &str) {
    let refused = refusal(text);
    assert!(refused.contains(expected), "{text}\n{refused}");
}

/// Without it a group could be formed that cannot elect, or that speaks plaintext over a network.
#[rstest]
#[case::name("replica: a b", "a replica's name has 1 to 63 letters")]
#[case::open(
    "peer_address: ':50052'",
    "f.yaml:2:17: cluster.peer_address: `:50052` is not on loopback, so the peer port needs certificates"
)]
#[case::open_peers("initial_replicas: [{name: r1, address: 'h:1'}]", "`h:1` is not on loopback")]
#[case::unreachable("advertise_peer_address: '0.0.0.0:1'", "`0.0.0.0:1` reaches nobody")]
#[case::no_address(
    "initial_replicas: [{name: r1}]",
    "cluster.initial_replicas[0].address: missing"
)]
#[case::no_name(
    "initial_replicas: [{address: 'localhost:1'}]",
    "cluster.initial_replicas[0].name: missing"
)]
#[case::same_name(
    "initial_replicas: [{name: a, address: 'localhost:1'}, {name: a, address: 'localhost:2'}]",
    "`a` is listed twice"
)]
#[case::same_address(
    "initial_replicas: [{name: a, address: 'localhost:1'}, {name: b, address: 'localhost:1'}]",
    "`localhost:1` is listed twice"
)]
#[case::contradicts(
    "advertise_peer_address: 'localhost:2'\n  initial_replicas: [{name: r1, address: 'localhost:1'}]",
    "differs from `localhost:1`"
)]
#[case::election(
    "timings: {heartbeat: 200ms}",
    "cluster.timings.election_min: must be at least twice `heartbeat`"
)]
#[case::order(
    "timings: {election_min: 700ms}",
    "cluster.timings.election_max: must be longer than `election_min`"
)]
#[case::snapshots(
    "snapshot_every: 0",
    "cluster.snapshot_every: `0` is out of range: 20 to 10000000"
)]
#[case::tls("tls: {ca: a, cert: b}", "cluster.tls.key: missing")]
fn cluster(#[case] keys: &str, #[case] expected: &str) {
    let refused = refusal(&format!("cluster:\n  {keys}\n"));
    assert!(refused.contains(expected), "{keys}\n{refused}");
}

/// Without it a person would mend a file one error at a time.
#[test]
fn all_mistakes_are_told_at_once_and_in_order() {
    let text = in_pool("provider: g\nmax_nods: 8\nmin_nodes: x\nstrategy: dear");
    let refused = refusal(&text);
    let lines: Vec<_> = refused.lines().collect();
    let keys =
        ["max_nodes: ", "instance_type: ", "provider: ", "max_nods: ", "min_nodes: ", "strategy: "];
    assert_eq!(lines.len(), keys.len(), "{refused}");
    for (line, key) in lines.iter().zip(keys) {
        assert!(line.contains(&format!("pools.p.{key}")), "{line} {key}\n{refused}");
    }
}

/// Without it the command line could not underline what is wrong.
#[test]
fn the_diagnostic_points_at_the_key() {
    let text = in_pool(&format!("{BASE}max_nods: 3"));
    let error = parse(&text, "f.yaml").expect_err("refused");
    let labels: Vec<_> = error.labels().expect("labels").collect();
    let span = labels[0].inner();
    assert_eq!(&text[span.offset()..span.offset() + span.len()], "max_nods");
    assert!(error.source_code().is_some());
    let rendered = format!("{:?}", miette::Report::new(error));
    assert!(rendered.contains("max_nods: 3"), "{rendered}");
}

/// Without it a file with thousands of mistakes would be answered with megabytes.
#[test]
fn what_is_told_is_bounded() {
    let keys: String = (0..5_000).map(|key| format!("unknown_key_{key}: 1\n")).collect();
    let refused = refusal(&in_pool(&keys));
    assert_eq!(refused.lines().count(), 51);
    assert!(refused.ends_with("f.yaml: and 4953 more"), "{}", refused.lines().last().unwrap());
    let long = refusal(&format!("{}: 1", "k".repeat(500)));
    assert!(long.len() < 1_000, "{}", long.len());
    let huge = refusal(&format!("a: {}", "x".repeat(5 << 20)));
    assert!(huge.contains("bytes, and at most"), "{huge:.200}");
}

/// Without it one list of strategies within strategies could exhaust the stack.
#[test]
fn strategies_are_nested_so_deep_and_no_deeper() {
    let mut nested = "{type: reactive}".to_owned();
    for _ in 0..8 {
        nested = format!("{{type: predictive, fallback: {nested}}}");
    }
    let refused = refusal(&in_pool(&format!("{BASE}autoscaling: {nested}")));
    assert!(refused.contains("nested more than 8 levels deep"), "{refused}");
}

/// Without it a mistake in a shared block would be told without the file it is in.
#[test]
fn the_error_knows_its_problems() {
    let error = parse("serve: {}", "f.yaml").expect_err("refused");
    let ConfigError::Invalid(problems) = &error else {
        panic!("{error}");
    };
    let problem = problems.iter().next().expect("a problem");
    assert_eq!((problem.key.as_str(), problem.line, problem.column), ("serve", 1, 1));
    assert_eq!(problems.file_name(), "f.yaml");
}
