//! `navarch sim` as a person runs it: every scenario that comes with it, and what it says of mistakes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn navarch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_navarch")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}\n{}\n{}", text(&output.stdout), text(&output.stderr))
    })
}

fn scenario(duration: &str, assertions: &str) -> String {
    format!(
        "\
name: tiny <script>
duration: {duration}
config:
  providers: {{cloud: {{type: fake}}}}
  pools:
    training: {{provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 2, max_nodes: 4}}
assertions: {assertions}
"
    )
}

/// Without it a scenario that comes with the program could fail, or take longer than anybody waits.
#[test]
fn every_shipped_scenario_holds() {
    let files = fs::read_dir("deploy/scenarios").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| path.to_str().unwrap().to_owned()).collect();
    files.sort_unstable();
    let listed = text(&navarch(&["sim", "list", "-o", "name"]).stdout);
    let mut names: Vec<_> = listed.lines().collect();
    names.sort_unstable();
    let stems = files.iter().map(|file| Path::new(file).file_stem().unwrap().to_str().unwrap());
    assert_eq!(names, stems.collect::<Vec<_>>(), "each file is listed, under its own name");
    let mut arguments = vec!["sim", "run", "-o", "json"];
    arguments.extend(files.iter().map(String::as_str));
    let output = navarch(&arguments);
    let runs = json(&output);
    for run in runs["runs"].as_array().unwrap() {
        for one in run["assertions"].as_array().unwrap() {
            assert_eq!(one["passed"], true, "{}: {one:#}", run["scenario"]);
        }
    }
    assert!(output.status.success());
}

/// Without it a run could not be repeated, or every seed would be the same.
#[test]
fn a_seed_repeats_its_run() {
    let hash = |name: &str, seed: &str| {
        let run = json(&navarch(&["sim", "run", name, "--seed", seed, "-o", "json"]));
        run["journal_hash"].as_str().unwrap().to_owned()
    };
    for name in ["gpu-failure", "capacity-drought"] {
        assert_eq!(hash(name, "7"), hash(name, "7"), "{name}");
        assert_ne!(hash(name, "7"), hash(name, "8"), "{name}");
    }
}

/// Without it a failed assertion would look like success, or a report would miss what failed.
#[test]
fn a_failed_assertion_ends_with_code_1_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.yaml");
    let wrong = "[{machines_bought: 3}, {at: 0s, within: 1m, pool: {name: training, size: 2}}]";
    fs::write(&file, scenario("2m", wrong)).unwrap();
    let report = folder.path().join("report");
    let arguments = ["sim", "run", file.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let output = navarch(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("FAIL") && table.contains("machines bought: 2 (at 2m)"), "{table}");
    assert!(text(&output.stderr).contains("1 assertion failed"));
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    for expected in ["<svg", "Pool training", "FAIL", "tiny &lt;script&gt;", "pool-created"] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    for foreign in ["<script", "src=", "href=", "url("] {
        assert!(!page.contains(foreign), "the page needs {foreign}");
    }
    let run: Value =
        serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap();
    assert_eq!((&run["passed"], &run["machines_bought"]), (&Value::Bool(false), &Value::from(2)));
}

/// Without it a mistake would have to be searched for.
#[test]
fn mistakes_are_usage_errors_that_point_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    fs::write(&file, scenario("2m", "[{machines_bougt: 3}]")).unwrap();
    for command in ["validate", "run"] {
        let output = navarch(&["sim", command, file.to_str().unwrap()]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("wrong.yaml:7:15: assertions[0].machines_bougt"), "{error}");
        assert!(error.contains("did you mean `machines_bought`?"), "{error}");
    }
    let output = navarch(&["sim", "run", "basic-flet"]);
    assert!(text(&output.stderr).contains("did you mean `basic-fleet`?"));
    fs::write(&file, scenario("2m", "[{machines_bought: 2}]")).unwrap();
    let output = navarch(&["sim", "validate", file.to_str().unwrap()]);
    assert!(output.status.success() && text(&output.stdout).contains("1 assertions in 2m"));
}

/// Without it somebody could wait a day for a scenario that was meant for a clock that does not wait.
#[test]
fn a_scenario_that_takes_long_is_not_played_live_unasked() {
    let output = navarch(&["sim", "run", "live-smoke", "scheduled-day", "--live"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("scheduled-day takes 24h") && error.contains("--longest 24h"),
        "{error}"
    );
}
