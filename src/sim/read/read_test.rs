use crate::sim::parse;

const CONFIG: &str = "\
config:
  providers:
    cloud: {type: fake}
  pools:
    training: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 1, max_nodes: 4}
";

fn problems(rest: &str) -> Vec<String> {
    let text = format!("name: t\nduration: 5m\n{CONFIG}{rest}");
    match parse(&text, "t.yaml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

const HOLDS: &str = "assertions:\n  - lost_nodes: 0\n";

/// What stands in the file beside its configuration, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    ("", "t.yaml:1:1: assertions: no assertion"),
    (
        "timeline:\n  - lod: {pool: training, to: 5}\n    at: 1s\n",
        "unknown key `lod`; did you mean `load`?",
    ),
    (
        "timeline:\n  - {at: 6m, load: {pool: training, to: 5}}\n",
        "t.yaml:9:10: timeline[0].at: after the end of the scenario, whose duration is 5m",
    ),
    (
        "timeline:\n  - {at: 1m, load: {pool: trainig, to: 5}}\n",
        "there is no pool `trainig`; did you mean `training`?",
    ),
    ("timeline:\n  - {at: 1m, load: {pool: training, to: -5}}\n", "`-5` is out of range: 0 to 100"),
    (
        "timeline:\n  - {at: 1m, fail: {pool: training, nodes: -1, how: silent}}\n",
        "`-1` is out of range: 1 to 1000000",
    ),
    ("timeline:\n  - {at: 1m, fail: {pool: training, how: silen}}\n", "did you mean `silent`?"),
    ("timeline:\n  - {at: 1m, fail: {pool: training, how: xid}}\n", "write for example `xid: 79`"),
    (
        "timeline:\n  - {at: 1m, fail: {pool: training, how: silent, xid: 3}}\n",
        "says nothing with `how: silent`",
    ),
    (
        "timeline:\n  - {at: 1m, fail: {pool: training, nodes: 1, percent: 3, how: silent}}\n",
        "leave one of them out",
    ),
    ("timeline:\n  - {at: 1m}\n", "expected one step beside `at`, found 0"),
    ("timeline:\n  - {load: {pool: training, to: 5}}\n", "write for example `at: 30s`"),
    ("timeline:\n  - {at: -1m, load: {pool: training, to: 5}}\n", "timeline[0].at"),
    (
        "timeline:\n  - {at: 1m, drought: {provider: clod}}\n",
        "there is no provider `clod`; did you mean `cloud`?",
    ),
    ("timeline:\n  - {at: 1m, apply: {config: nowhere.yaml}}\n", "cannot read nowhere.yaml"),
    ("clouds:\n  clod: {boot_delay: 1m}\n", "did you mean `cloud`?"),
    ("clouds:\n  cloud: {capacity: {h100-8x: -2}}\n", "`-2` is out of range"),
    (
        "assertions:\n  - machines_bought: {min: 4, max: 2}\n",
        "min 4 is above max 2, so nothing can hold",
    ),
    ("assertions:\n  - machines_bought: {}\n", "no limit; add `min` or `max`"),
    ("assertions:\n  - {at: 4m, within: 2m, lost_nodes: 0}\n", "reaches beyond the end"),
    ("assertions:\n  - {within: 2m, lost_nodes: 0}\n", "counts from `at`"),
    ("assertions:\n  - {at: 1m, lost_nodes: 0, replacements: 0}\n", "expected one claim, found 2"),
    ("assertions:\n  - pool: {name: training}\n", "nothing is asserted of it"),
    ("assertions:\n  - pool: {name: train, size: 1}\n", "there is no pool `train`"),
    ("assertions:\n  - nothing_bought_twice: false\n", "only `true` can be asserted"),
    ("assertions:\n  - lost_node: 0\n", "did you mean `lost_nodes`?"),
    (
        "assertions:\n  - event: {kind: node-cordonned, count: 0}\n",
        "unknown value `node-cordonned`; did you mean `node-cordoned`?",
    ),
    (
        "assertions:\n  - event: {kind: xyz}\n",
        "unknown value `xyz`; one of session-opened, fleet-spec-applied,",
    ),
];

/// Without it a mistake in a scenario would be played as something else, or be told of without its place.
#[test]
fn mistakes_are_told_with_place_and_remedy() {
    for &(rest, expected) in MISTAKES {
        let rest = if rest.contains("assertions") || rest.is_empty() {
            rest.to_owned()
        } else {
            format!("{rest}{HOLDS}")
        };
        let found = problems(&rest);
        assert!(found.iter().any(|one| one.contains(expected)), "{rest}\n{found:#?}");
        assert!(found.iter().all(|one| one.starts_with("t.yaml:")), "{found:#?}");
    }
    assert_eq!(problems(HOLDS), [""; 0]);
}

/// Without it the mistakes of an inline configuration would point nowhere, or a real provider be simulated.
#[test]
fn the_configuration_is_checked_in_place() {
    let text = "name: t\nduration: 1m\nconfig:\n  pools:\n    a: {min_node: 1}\nassertions: [{lost_nodes: 0}]\n";
    let error = parse(text, "t.yaml").unwrap_err().to_string();
    assert!(
        error.contains(
            "t.yaml:5:9: config.pools.a.min_node: unknown key `min_node`; did you mean `min_nodes`?"
        ),
        "{error}"
    );
    let real = CONFIG.replace("{type: fake}", "{type: http, url: \"http://127.0.0.1:1\"}");
    let text = format!("name: t\nduration: 1m\n{real}{HOLDS}");
    let error = parse(&text, "t.yaml").unwrap_err().to_string();
    assert!(error.contains("provider cloud is of type `http`"), "{error}");
    let error = parse("nme: t\n", "t.yaml").unwrap_err().to_string();
    for expected in
        ["did you mean `name`?", "duration: 10m", "config: fleet.yaml", "name: basic-fleet"]
    {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}

/// Without it a step of a pool that only a later configuration has would be refused.
#[test]
fn pools_of_later_configurations_are_known() {
    let rest = "\
timeline:
  - at: 1m
    apply:
      force: true
      config:
        providers: {other: {type: fake}}
        pools:
          later: {provider: other, instance_type: a100-1x, region: eu, min_nodes: 1, max_nodes: 2}
  - {at: 2m, load: {pool: later, to: 9}}
assertions:
  - instances: {provider: other, count: {min: 1}}
";
    assert_eq!(problems(rest), [""; 0]);
}
