use std::{
    env, num::NonZero, os::unix::process::ExitStatusExt as _, process::Stdio, thread,
    time::Duration,
};

use navarch_host::{planted::VARIABLE, with_deep_stack};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::process::Command;

use crate::{
    error::ChaosError,
    host::Host,
    sim::{Entropy, SeedOptions, SeedOutcome, run_seed},
};

/// Seconds of processor time after which a run hangs. On a clock it may take longer: a machine that is busy, or sleeps, has not
/// found a bug.
const LIMIT_S: u64 = 300;
/// How long a run may take in all: one that waits for itself needs no processor.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// A run's futures lie deep within one another.
const STACK_BYTES: usize = 64 << 20;
/// Tells a child that it is one: print the outcome as JSON, and nothing else.
const CHILD: &str = "NAVARCH_SIM_CHILD";

/// Whether this process is one whose chance comes from a seed, started by [`play`] or [`replay`].
fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// If this process was started for one run, makes it: its outcome.
///
/// # Errors
///
/// As [`run_seed`].
pub fn play_here(options: &SeedOptions) -> Result<Option<SeedOutcome>, ChaosError> {
    if !is_child() {
        return Ok(None);
    }
    let options = SeedOptions { tells: tells(), ..options.clone() };
    let limit = Rlimit { current: Some(LIMIT_S), maximum: Some(LIMIT_S + 1) };
    setrlimit(Resource::Cpu, limit)
        .map_err(|error| ChaosError::system("limit a simulation")(error.into()))?;
    let run = with_deep_stack("simulation", STACK_BYTES, || run_seed(&options));
    run.map_err(ChaosError::system("run a simulation"))?.map(Some)
}

/// Makes one run in a process of its own, which tells on standard error what happens.
///
/// # Errors
///
/// If it cannot be made, or comes to no end.
pub async fn replay(host: &Host, options: &SeedOptions) -> Result<SeedOutcome, ChaosError> {
    play(host, &Entropy::compile().await?, options).await
}

/// Makes one run in a process of its own.
pub(super) async fn play(
    host: &Host,
    entropy: &Entropy,
    options: &SeedOptions,
) -> Result<SeedOutcome, ChaosError> {
    let program = env::current_exe().map_err(ChaosError::system("find this program"))?;
    let mut command = std::process::Command::new(program);
    entropy.seed(&mut command, options.seed);
    command.args(["sim", "--output", "json", "--seed", &options.seed.to_string()]);
    if let Some(only) = &options.only {
        command.args(["--only", &only.to_string()]);
    }
    if let Some(trace) = &options.trace {
        command.arg("--trace").arg(trace);
    }
    if let Some(bug) = options.bug {
        command.env(VARIABLE, bug.name());
    }
    // Tokens of the caller's would close the group to its clients.
    command.env_remove("NAVARCH_AUTH_TOKEN").env_remove("NAVARCH_AGENT_TOKEN");
    command.env(CHILD, if options.tells { "tells" } else { "silent" });
    let stderr = if options.tells { Stdio::inherit() } else { Stdio::piped() };
    let mut command = Command::from(command);
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);
    let child = child.spawn().map_err(ChaosError::system("start a simulation"))?;
    let tool =
        |problem: String| ChaosError::Tool { program: format!("seed {}", options.seed), problem };
    let ended = host.clock.timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.map_err(|_| tool(format!("it came to no end within {PATIENCE:?}")))?;
    let output = output.map_err(ChaosError::system("wait for a simulation"))?;
    if output.status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(tool(format!("it came to no end within {LIMIT_S} s of processor time")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> = stderr.lines().rev().take(12).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        tool(format!("no outcome ({error}; {}):\n{last}", output.status))
    })
}

/// How many runs at once keep the machine busy.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Whether a child is to tell what happens.
fn tells() -> bool {
    env::var(CHILD).is_ok_and(|value| value == "tells")
}
