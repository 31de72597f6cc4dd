use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use crate::{error::ChaosError, host::Host};

/// What is shown of the log of a process that failed, bytes.
const LOG_TAIL: u64 = 4_096;

/// A process that is started, struck and started again. It is killed with this value.
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    environment: Vec<(String, String)>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// Replicas end with this pipe, however we end.
    _input: Option<ChildStdin>,
}

impl Process {
    /// A process that is not started yet; what it prints is appended to `log`.
    pub fn new(name: &str, program: &Path, arguments: Vec<String>, log: PathBuf) -> Self {
        let (name, program) = (name.to_owned(), program.to_owned());
        Self { name, program, arguments, log, environment: Vec::new(), running: None }
    }

    /// The same with further environment variables.
    pub(super) fn with_environment(self, environment: Vec<(String, String)>) -> Self {
        Self { environment, ..self }
    }

    /// What it prints.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Takes another program from its next start on.
    pub(super) fn run_from(&mut self, program: &Path) {
        program.clone_into(&mut self.program);
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its resident memory, bytes.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resident_bytes(&self) -> Result<u64, ChaosError> {
        let failed = ChaosError::system(format!("read the memory of {}", self.name));
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it does not run");
        let status = self.id().ok_or_else(missing);
        let status = status.and_then(|id| fs::read_to_string(format!("/proc/{id}/status")));
        let text = status.map_err(failed)?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.unwrap_or(0) * 1_024)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it runs already or cannot be started.
    pub fn start(&mut self) -> Result<(), ChaosError> {
        let what = format!("start {} ({})", self.name, self.program.display());
        if self.id().is_some() {
            let runs = io::Error::new(io::ErrorKind::AlreadyExists, "it runs already");
            return Err(ChaosError::system(what)(runs));
        }
        let started = self.spawn();
        self.running = Some(started.map_err(ChaosError::system(what))?);
        Ok(())
    }

    fn spawn(&self) -> io::Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            // Who calls us may have a group of their own.
            .env_remove("NAVARCH_AUTH_TOKEN")
            .env_remove("NAVARCH_AGENT_TOKEN")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take();
        Ok(Running { child, _input: input })
    }

    /// The id of the running process; none if it does not run.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref()?.child.id()
    }

    /// Ends it with SIGKILL and waits for its end.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub async fn kill(&mut self) -> Result<(), ChaosError> {
        self.signal(Signal::KILL)?;
        self.wait().await.map(drop)
    }

    /// Asks it to stop, and waits for its end: how it ended, like `ended with code 0`.
    ///
    /// # Errors
    ///
    /// If it does not run, or does not end within `limit`.
    pub async fn terminate(&mut self, host: &Host, limit: Duration) -> Result<String, ChaosError> {
        self.signal(Signal::TERM)?;
        let ended = host.clock.timeout(limit, self.wait()).await;
        ended.unwrap_or_else(|_| {
            let what = format!("the end of {} after SIGTERM", self.name);
            Err(ChaosError::Late { what, limit, last: self.log_tail() })
        })
    }

    /// Stops it from running until [`Process::resume`].
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&self) -> Result<(), ChaosError> {
        self.signal(Signal::STOP)
    }

    /// Lets it run again.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&self) -> Result<(), ChaosError> {
        self.signal(Signal::CONT)
    }

    /// Fails if the process has ended by itself.
    ///
    /// # Errors
    ///
    /// How it ended, with the end of its log.
    pub fn check_running(&mut self) -> Result<(), ChaosError> {
        let status = match &mut self.running {
            None => None,
            Some(running) => running
                .child
                .try_wait()
                .map_err(ChaosError::system(format!("look after {}", self.name)))?,
        };
        match status {
            None => Ok(()),
            Some(status) => {
                self.running = None;
                let (name, log) = (self.name.clone(), self.log_tail());
                Err(ChaosError::Ended { name, how: describe(status), log })
            }
        }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    fn signal(&self, signal: Signal) -> Result<(), ChaosError> {
        let what = format!("signal {}", self.name);
        // The child has not been waited for, so the id is still its own.
        let id = self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(id) = id else {
            let gone = io::Error::new(io::ErrorKind::NotFound, "it does not run");
            return Err(ChaosError::system(what)(gone));
        };
        kill_process(id, signal).map_err(|error| ChaosError::system(what)(error.into()))
    }

    async fn wait(&mut self) -> Result<String, ChaosError> {
        let Some(running) = &mut self.running else {
            return Ok("did not run".to_owned());
        };
        let status = running.child.wait().await;
        let status = status.map_err(ChaosError::system(format!("wait for {}", self.name)))?;
        self.running = None;
        Ok(describe(status))
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The end of a log, for a person who wonders why a process failed.
pub fn log_tail(path: &Path) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_else(|error: io::Error| format!("(no log: {error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(directory: &Path, script: &str) -> Process {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        Process::new("p", Path::new("/bin/sh"), arguments, directory.join("p.log"))
    }

    /// Without it a process that died on its own could be taken for one that we killed.
    #[tokio::test]
    async fn an_end_of_its_own_is_told_with_the_log() {
        let host = Host::system();
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell(directory.path(), "echo no room; exit 3");
        process.start().unwrap();
        let ended = crate::until(&host, "its end", Duration::from_secs(10), || {
            let ended = process.check_running().err();
            std::future::ready(ended.ok_or_else(|| "it runs".to_owned()))
        });
        let text = ended.await.unwrap().to_string();
        assert_eq!(text, "p ended with code 3; the end of its log:\nno room");
        assert!(process.kill().await.is_err(), "nothing is left to kill");
    }

    /// Without it a paused process would outlive its harness.
    #[tokio::test]
    async fn a_paused_process_is_killed_and_started_again() {
        let host = Host::system();
        let directory = tempfile::tempdir().unwrap();
        let mut process =
            shell(directory.path(), "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done");
        process.start().unwrap();
        assert!(process.start().is_err());
        process.pause().unwrap();
        process.kill().await.unwrap();
        process.start().unwrap();
        let up = crate::until(&host, "its second start", Duration::from_secs(10), || {
            let ups = process.log_tail().matches("up").count();
            std::future::ready(if ups == 2 { Ok(()) } else { Err(ups.to_string()) })
        });
        // The first one may have been paused before it said so.
        drop(host.clock.timeout(Duration::from_millis(300), up).await);
        let ended = process.terminate(&host, Duration::from_secs(10)).await.unwrap();
        assert_eq!(ended, "ended with code 7");
    }
}
