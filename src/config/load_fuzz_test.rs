//! Configurations that nobody has thought of.

use navarch_fuzz::Target;

use super::{diff, parse, parse_fleet};

/// Keys and values that mean something.
const WORDS: [&str; 30] = [
    "pools:",
    "providers:",
    "server:",
    "cluster:",
    "type: http",
    "type: custom",
    "min_nodes: 1",
    "max_nodes: 4294967296",
    "strategy: predictive",
    "cooldown: 5m",
    "1e9h",
    "-5s",
    "0s",
    "autoscaling:",
    "metrics:",
    "queries:",
    "url:",
    "\"::1\"",
    "&a",
    "*a",
    "<<: *a",
    "!!binary x",
    "? ",
    "- ",
    "  ",
    "|\n",
    ">-\n",
    "{a: b}",
    "[a, b]",
    "${TOKEN}",
];

/// Without it a file, or a call of `apply`, could end the replica that reads it.
#[test]
fn fuzz_configurations_are_read_or_refused() {
    let seeds = [
        include_str!("../../deploy/examples/two-pools.yaml"),
        include_str!("../../deploy/examples/replica.yaml"),
        include_str!("../../deploy/examples/reference.yaml"),
        include_str!("../../examples/embedded/fleet.yaml"),
        // An alias that doubles at each line.
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\npools: *d\n",
    ];
    let target = Target::text("configuration", &WORDS).cases(600);
    seeds.into_iter().fold(target, Target::seed).check(|input| {
        let Ok(text) = str::from_utf8(input) else { return };
        match parse(text, "fleet.yaml") {
            Ok(config) => assert!(diff(&config.fleet, &config.fleet).is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let _ = parse_fleet(text, "");
    });
}
