//! The binary from outside, where no replica is needed: exit codes, streams, and processes that end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should panic"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use navarch_host::Clock;

/// The binary, away from the settings of whoever runs the tests.
fn navarch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command
        .args(arguments)
        .env_remove("NAVARCH_SERVER")
        .env_remove("NAVARCH_AUTH_TOKEN")
        .env_remove("NAVARCH_AGENT_TOKEN")
        .env_remove("RUST_LOG")
        .env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    navarch(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Without it a script could take a usage error, a wrong file or an absent group for something else.
#[test]
fn exit_codes_and_streams_are_those_of_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("wrong.yaml");
    fs::write(&wrong, "server:\n  adress: \":1\"\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let nobody = ["-s", "127.0.0.1:1", "--timeout", "1s"];
    let table: [(&[&str], i32, &str); 8] = [
        (&["version"], 0, ""),
        (&["lst"], 2, "lst"),
        (&["get"], 2, "NODE_ID"),
        (&["config", "validate", wrong], 2, "did you mean `address`"),
        (&["config", "validate", "/nonexistent.yaml"], 2, "/nonexistent.yaml"),
        (&["server", "--config", wrong], 2, "wrong.yaml:2:3"),
        (&["dev", "--data-dir", "/nonexistent/x", "--replicas", "0"], 2, "--replicas 0"),
        (&["list", nobody[0], nobody[1], nobody[2], nobody[3]], 4, "127.0.0.1:1"),
    ];
    for (arguments, code, said) in table {
        let output = run(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}");
        assert!(!errors.contains('\u{1b}'), "{arguments:?}: {errors}");
    }
}

/// Without it a broken context file would be ignored, or stop commands that need none.
#[test]
fn the_context_file_counts_only_where_a_group_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("navarch").join("context.yaml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "server: 127.0.0.1:2\ntimeout: 1s\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = navarch(arguments).env("XDG_CONFIG_HOME", directory.path()).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, errors) = run(&["list"]);
    assert!(code == Some(4) && errors.contains("127.0.0.1:2"), "{errors}");
    let (code, errors) = run(&["list", "-s", "127.0.0.1:1"]);
    assert!(code == Some(4) && !errors.contains("127.0.0.1:2"), "{errors}");
    fs::write(&file, "servers: 127.0.0.1:2\n").unwrap();
    let (code, errors) = run(&["list"]);
    assert!(code == Some(2) && errors.contains("servers"), "{errors}");
    assert_eq!(run(&["version"]).0, Some(0));
}

/// Without it `navarch completion bash | head -1` would end with a panic or an error.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = navarch(&["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

/// Without it the command line could print JSON that programs cannot rely on.
#[test]
fn version_and_validation_have_json() {
    let output = run(&["version", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fleet.yaml");
    fs::write(&file, navarch::config::dev_file(3)).unwrap();
    let output = run(&["config", "validate", file.to_str().unwrap(), "-o", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["valid"], &value["pools"]), (&true.into(), &1.into()));
}

/// Whether a process is there and is no zombie.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

async fn within(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let clock = Clock::system();
    let end = clock.now() + limit;
    while !condition() {
        assert!(clock.now() < end, "{what} did not happen within {limit:?}");
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// Without it a fake cloud would outlive a `dev` that was killed, and hold its port.
#[tokio::test]
async fn a_child_process_ends_when_its_parent_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let arguments = ["fake-cloud", "--listen", "127.0.0.1:0", "--exit-with-parent", "--ledger"];
    let mut child = navarch(&arguments)
        .arg(&ledger)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    within(Duration::from_secs(10), "the ledger's creation", || ledger.exists()).await;
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    let pid = child.id();
    within(Duration::from_secs(10), "the end", || !runs(pid)).await;
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A first port with which all ports of a small group were free a moment ago; another for each test.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(211, Ordering::Relaxed);
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if [0, 1, 2, 50, 100, 101, 102].iter().all(|offset| free(port + offset)) {
            return port;
        }
    }
}

/// `dev` in `directory`, its lines on stdout still to be read.
fn dev(directory: &Path, port: u16, more: &[&str]) -> Child {
    navarch(&["dev", "--port", &port.to_string(), "--data-dir"])
        .arg(directory)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The process id in a line like `r2 started (pid 123)`.
fn started(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once(" started (pid ")?;
    rest.strip_suffix(')')?.parse().ok()
}

/// Reads lines up to the start of `count` processes, and answers their ids.
fn processes(child: &mut Child, count: usize) -> Vec<u32> {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut found = Vec::new();
    while found.len() < count {
        let line = lines.next().expect("dev ended early").unwrap();
        found.extend(started(&line));
    }
    found
}

/// Without it a port in use would show as a failure in some replica's log, after others were started.
#[test]
fn dev_names_a_port_in_use_before_it_starts_anything() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port + 101)).unwrap();
    let output = dev(&directory.path().join("group"), port, &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(
        errors.contains(&format!("port {}", port + 101)) && errors.contains("--port"),
        "{errors}"
    );
    assert!(!directory.path().join("group").exists());
}

/// Without it stopping `dev` would leave replicas, a fake cloud, or their ports behind.
#[tokio::test]
async fn dev_leaves_nothing_running_after_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = dev(directory.path(), free_port(), &["--exit-after", "2s"]);
    let pids = processes(&mut child, 4);
    assert!(directory.path().join("r2.yaml").exists());
    let mut rest = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.ends_with("stopped; nothing is left running\n"), "{rest}");
    assert!(pids.into_iter().all(|pid| !runs(pid)));
}

/// Without it a killed `dev` would leave a whole group behind.
#[tokio::test]
async fn a_killed_dev_takes_its_processes_along() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = dev(directory.path(), free_port(), &[]);
    let pids = processes(&mut child, 4);
    child.kill().unwrap();
    child.wait().unwrap();
    within(Duration::from_secs(20), "the end of all", || pids.iter().all(|pid| !runs(*pid))).await;
}

/// Without it the benchmark of the controllers could time nothing, or a fleet that has not come to rest.
#[test]
fn the_controllers_are_timed_without_a_group() {
    let arguments = ["bench", "controllers", "--nodes", "60", "--pools", "10", "--passes", "2"];
    let told = run(&[&arguments[..], &["-o", "json"]].concat());
    assert!(told.status.success(), "{}", text(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((told["nodes"].as_u64(), told["pools"].as_u64()), (Some(60), Some(10)));
    let passes = told["passes"].as_array().unwrap();
    assert_eq!(passes[0]["controller"], "all");
    let names: Vec<_> = passes.iter().filter_map(|pass| pass["controller"].as_str()).collect();
    for name in ["autoscaler", "provisioner", "lost-nodes", "replacer", "orphans", "digest"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(passes.iter().all(|pass| pass["cpu_ms"].as_f64() > Some(0.0)), "{passes:?}");
}

/// Without it a policy could only be tried on a fleet, or a wrong one not be told from a right one by a script.
#[test]
fn policies_are_checked_and_tried_offline() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rule = "version: v1\nrules:\n  - name: second\n    condition: history.count(\"xid\", \"10m\") > 1\n    result: unhealthy\n";
    let good = write("good.yaml", rule);
    let wrong = write("wrong.yaml", &rule.replace("\"xid\"", "\"xidd\""));
    let event = r#"{"eventType": "HEALTH_EVENT_TYPE_XID", "metrics": {"xid_code": "8"}}"#;
    let events = format!("@{}", write("events.json", &format!("[{event}, {event}]")));
    let table: [(&[&str], i32, &str); 7] = [
        (&["policy", "validate"], 0, "the built-in policy is valid"),
        (&["policy", "validate", "-f", &good], 0, "1 rules"),
        (
            &["policy", "validate", "-f", &wrong],
            2,
            "unknown kind of event `xidd`; did you mean \"xid\"?",
        ),
        (&["policy", "test", "-f", "/nonexistent.yaml"], 2, "/nonexistent.yaml"),
        (&["policy", "test", "--event", "{}}"], 2, "not a health event"),
        (&["policy", "test", "-f", &good, "--event", &events], 0, "unhealthy"),
        (&["policy", "test"], 0, "critical-temperature"),
    ];
    for (arguments, code, said) in table {
        let output = run(arguments);
        let all = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(all.contains(said), "{arguments:?}: {all}");
    }
    let told = run(&["policy", "test", "-f", &good, "--event", &events, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let results: Vec<_> = told.as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["HEALTH_STATUS_HEALTHY", "HEALTH_STATUS_UNHEALTHY"]);
    assert_eq!(told[1]["rule"], "second");
    assert!(told[1]["time_us"].as_f64() > Some(0.0), "{told}");
}
