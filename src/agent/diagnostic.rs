use std::{path::PathBuf, process::Stdio, str::FromStr, time::Duration};

use navarch_host::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use super::memory::{MAX_TEXT, Outcome, truncate};

/// The id of the node command, for programs that leave a trace of their own.
const ID_VARIABLE: &str = "NAVARCH_COMMAND_ID";
/// What a program gets of the agent's environment: nothing that could be a secret.
const KEPT_VARIABLES: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"];

/// A program that `run_diagnostic` may start. Nothing of the node command becomes an argument, so whoever
/// issues one can choose among the programs and no more; its id is in `NAVARCH_COMMAND_ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The program's absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A text that names no diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{given:?} names no diagnostic; write NAME=/path/to/program, arguments after it separated by spaces"
)]
pub struct BadDiagnostic {
    given: String,
}

impl Diagnostic {
    /// Reads `NAME=/path/to/program ARGUMENT...`.
    ///
    /// # Errors
    ///
    /// There is no name or no absolute path.
    pub fn parse(given: &str) -> Result<(String, Self), BadDiagnostic> {
        let bad = || BadDiagnostic { given: given.to_owned() };
        let (name, line) = given.split_once('=').ok_or_else(bad)?;
        let diagnostic = line.parse().map_err(|_| bad())?;
        if name.trim().is_empty() {
            return Err(bad());
        }
        Ok((name.trim().to_owned(), diagnostic))
    }

    /// Runs the program to its end, or kills it at the limit, with whatever it started in turn unless that left its
    /// process group. Output and error text are bounded; what is over the bound is read and dropped so that the program
    /// goes on. It runs in the root directory, with a few variables of the agent's environment.
    pub(super) async fn run(&self, clock: &Clock, limit: Duration, command_id: &str) -> Outcome {
        let kept = KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(kept)
            .env(ID_VARIABLE, command_id)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let program = self.program.display();
        let child = match child {
            Ok(child) => child,
            Err(error) => return Outcome::failed(format!("cannot start {program}: {error}")),
        };
        // Also when the agent stops and this is dropped.
        let _group = Group::of(&child);
        match clock.timeout(limit, gather(child)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::failed(format!("cannot follow {program}: {error}")),
            Err(_) => {
                Outcome::failed(format!("{program} ran longer than {limit:?} and was killed"))
            }
        }
    }
}

/// The processes of a program; those that are left end with this.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Usually none is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl FromStr for Diagnostic {
    type Err = BadDiagnostic;

    fn from_str(line: &str) -> Result<Self, BadDiagnostic> {
        let mut words = line.split_whitespace();
        let program = words.next().map(PathBuf::from).filter(|program| program.is_absolute());
        let program = program.ok_or_else(|| BadDiagnostic { given: line.to_owned() })?;
        Ok(Self { program, arguments: words.map(str::to_owned).collect() })
    }
}

async fn gather(mut child: Child) -> std::io::Result<Outcome> {
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let (output, error, status) = tokio::join!(drain(output), drain(error), child.wait());
    let status = status?;
    let error = error?;
    Ok(Outcome {
        succeeded: status.success(),
        output: output?,
        error: match (status.success(), error.is_empty()) {
            (true, _) => error,
            (false, true) => status.to_string(),
            (false, false) => truncate(format!("{status}: {error}")),
        },
    })
}

/// Reads all, keeps the first [`MAX_TEXT`] bytes.
async fn drain(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let Some(mut stream) = stream else {
        return Ok(String::new());
    };
    let mut kept = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(truncate(String::from_utf8_lossy(&kept).into_owned()));
        }
        let room = MAX_TEXT - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, limit: Duration) -> Outcome {
        let diagnostic = Diagnostic {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
        };
        diagnostic.run(&Clock::system(), limit, "command-7").await
    }

    const LONG: Duration = Duration::from_secs(30);

    /// Without it an operator would not see what a diagnostic said, or that it failed.
    #[tokio::test]
    async fn the_outcome_has_output_error_and_status() {
        let good = shell("echo fine; echo note >&2", LONG).await;
        assert_eq!((good.succeeded, &*good.output, &*good.error), (true, "fine\n", "note\n"));
        let bad = shell("echo trouble >&2; exit 3", LONG).await;
        assert!(!bad.succeeded);
        assert!(bad.error.contains("3") && bad.error.contains("trouble"), "{}", bad.error);
    }

    /// Without it a talkative program could fill the agent's memory, or block on a full pipe.
    #[tokio::test]
    async fn output_is_bounded_and_the_program_goes_on() {
        let outcome = shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 0", LONG).await;
        assert!(outcome.succeeded, "{}", outcome.error);
        assert_eq!(outcome.output.len(), MAX_TEXT);
    }

    /// Without it a program that hangs would hold up every later command.
    #[tokio::test]
    async fn a_program_over_its_limit_is_killed() {
        let outcome = shell("exec sleep 600", Duration::from_millis(50)).await;
        assert!(outcome.error.contains("killed"), "{}", outcome.error);
    }

    /// Without it what a program starts would go on for ever, one more with each command.
    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let trace = directory.path().join("trace");
        let loops = format!("while :; do echo x >> {}; sleep 0.01; done", trace.display());
        let ends = [
            (format!("({loops}) & sleep 600"), Duration::from_millis(300), "killed"),
            (format!("({loops}) >/dev/null 2>&1 & sleep 0.2; exit 0"), LONG, ""),
        ];
        for (script, limit, words) in ends {
            let outcome = shell(&script, limit).await;
            assert!(outcome.error.contains(words), "{}", outcome.error);
            let size = || std::fs::metadata(&trace).unwrap().len();
            // The kernel may take a moment to end it.
            Clock::system().sleep(Duration::from_millis(200)).await;
            let before = size();
            Clock::system().sleep(Duration::from_millis(200)).await;
            assert_eq!(size(), before, "{script}");
        }
    }

    /// Without it a program would see the agent's token, or could not say which command it ran for.
    #[tokio::test]
    async fn the_environment_is_the_programs_own() {
        let outcome = shell("env; pwd", LONG).await;
        assert!(outcome.output.contains("NAVARCH_COMMAND_ID=command-7\n"), "{}", outcome.output);
        assert!(outcome.output.ends_with("\n/\n"), "{}", outcome.output);
        // Cargo sets many for its tests.
        assert!(!outcome.output.contains("CARGO"), "{}", outcome.output);
    }

    /// Without it a relative path would start whatever lies in the working directory.
    #[test]
    fn reads_the_allow_list() {
        let (name, diagnostic) = Diagnostic::parse("dcgm=/usr/bin/dcgmi diag -r 1").unwrap();
        assert_eq!(name, "dcgm");
        assert_eq!(diagnostic.program, PathBuf::from("/usr/bin/dcgmi"));
        assert_eq!(diagnostic.arguments, ["diag", "-r", "1"]);
        for bad in ["", "dcgm", "=/bin/true", "x=", "x=relative"] {
            assert!(Diagnostic::parse(bad).is_err(), "{bad}");
        }
    }
}
