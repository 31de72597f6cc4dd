use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use navarch_host::Clock;
use tokio::{
    process::{Child, Command},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// How long a process may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What is shown of the log of a process that failed, bytes.
const LOG_TAIL: u64 = 2_048;

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// It was started.
    Started {
        /// Which.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// It could not be started.
    Unstartable {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// It ended without being asked to.
    Ended {
        /// Which.
        name: String,
        /// `was killed by signal 9`, `ended with code 1`.
        how: String,
        /// When it will be started again.
        restart: Option<Duration>,
    },
}

/// A process that is kept running.
#[derive(Clone)]
pub(super) struct Keeper {
    /// What it is called.
    pub(super) name: String,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// Where its process id is written.
    pub(super) pid_file: Option<PathBuf>,
    /// How long after its end it is started again; zero: never.
    pub(super) restart_after: Duration,
    /// Time.
    pub(super) clock: Clock,
}

impl Keeper {
    /// Starts the process, and starts it again whenever it ends, until `stop`; then stops it.
    pub(super) async fn keep(self, stop: CancellationToken, notices: mpsc::Sender<Notice>) {
        while !stop.is_cancelled() {
            let ended = match self.start() {
                Ok(child) => self.watch(child, &stop, &notices).await,
                Err(error) => {
                    let (name, reason) = (self.name.clone(), error.to_string());
                    tell(&notices, Notice::Unstartable { name, reason }).await;
                    return;
                }
            };
            let Some(how) = ended else {
                return;
            };
            let restart = (!self.restart_after.is_zero()).then_some(self.restart_after);
            let name = self.name.clone();
            tell(&notices, Notice::Ended { name, how, restart }).await;
            let Some(wait) = restart else {
                return;
            };
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn start(&self) -> io::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            // The child watches this pipe: it ends with us, however we end.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us alone; we stop the children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    /// Waits for the end of the process: how it ended, or `None` after it was asked to stop.
    async fn watch(
        &self,
        mut child: Child,
        stop: &CancellationToken,
        notices: &mpsc::Sender<Notice>,
    ) -> Option<String> {
        let pid = child.id().unwrap_or_default();
        let input = child.stdin.take();
        self.write_pid(pid);
        let name = self.name.clone();
        tell(notices, Notice::Started { name, pid }).await;
        let ended = tokio::select! {
            status = child.wait() => Some(describe(status)),
            () = stop.cancelled() => None,
        };
        if ended.is_none() {
            drop(input);
            if self.clock.timeout(STOP_GRACE, child.wait()).await.is_err() {
                // It ends with the handle at the latest; there is nothing else to do about an error.
                let _ = child.kill().await;
            }
        }
        self.remove_pid();
        ended
    }

    fn write_pid(&self, pid: u32) {
        let Some(path) = &self.pid_file else {
            return;
        };
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = written.and_then(|()| fs::write(path, format!("{pid}\n"))) {
            tracing::warn!(path = %path.display(), %error, "cannot write the process id");
        }
    }

    fn remove_pid(&self) {
        if let Some(path) = &self.pid_file {
            // It may be gone with its directory.
            let _ = fs::remove_file(path);
        }
    }
}

/// A notice that nobody reads any more is none.
async fn tell(notices: &mpsc::Sender<Notice>, notice: Notice) {
    let _ = notices.send(notice).await;
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (None, Some(code)) => format!("ended with code {code}"),
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("is lost: {error}"),
    }
}

/// The end of a log, for a person who wonders why a process failed.
pub(super) fn log_tail(path: &Path) -> String {
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

    fn keeper(directory: &Path, script: &str, restart_after: Duration) -> Keeper {
        Keeper {
            name: "r1".to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            log: directory.join("r1.log"),
            pid_file: Some(directory.join("r1").join("pid")),
            restart_after,
            clock: Clock::system(),
        }
    }

    /// Without it a killed replica would stay dead, or come back without a word.
    #[tokio::test]
    async fn a_process_that_ends_is_told_of_and_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = keeper(directory.path(), "echo oops; kill -9 $$", Duration::from_millis(10));
        let (stop, (sender, mut notices)) = (CancellationToken::new(), mpsc::channel(8));
        let task = tokio::spawn(keeper.keep(stop.clone(), sender));
        for _ in 0..2 {
            assert!(matches!(notices.recv().await, Some(Notice::Started { .. })));
            let Some(Notice::Ended { how, restart, .. }) = notices.recv().await else {
                panic!("no end was told");
            };
            assert_eq!(how, "was killed by signal 9");
            assert_eq!(restart, Some(Duration::from_millis(10)));
        }
        stop.cancel();
        drop(notices);
        task.await.unwrap();
        assert!(log_tail(&directory.path().join("r1.log")).contains("oops"));
    }

    /// Without it Ctrl-C would leave processes behind.
    #[tokio::test]
    async fn stopping_closes_the_pipe_and_waits_for_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = keeper(directory.path(), "cat; echo stopped", Duration::ZERO);
        let (stop, (sender, mut notices)) = (CancellationToken::new(), mpsc::channel(8));
        let task = tokio::spawn(keeper.keep(stop.clone(), sender));
        let Some(Notice::Started { pid, .. }) = notices.recv().await else {
            panic!("no start was told");
        };
        let pid_file = directory.path().join("r1").join("pid");
        assert_eq!(fs::read_to_string(&pid_file).unwrap(), format!("{pid}\n"));
        stop.cancel();
        task.await.unwrap();
        assert_eq!(notices.recv().await, None);
        assert!(!pid_file.exists());
        assert_eq!(log_tail(&directory.path().join("r1.log")), "stopped");
    }

    /// Without it `--restart-after 0` would bring a killed replica back.
    #[tokio::test]
    async fn zero_means_never_again() {
        let directory = tempfile::tempdir().unwrap();
        let (sender, mut notices) = mpsc::channel(8);
        let keeper = keeper(directory.path(), "exit 3", Duration::ZERO);
        keeper.keep(CancellationToken::new(), sender).await;
        notices.recv().await.unwrap();
        let Some(Notice::Ended { how, restart, .. }) = notices.recv().await else {
            panic!("no end was told");
        };
        assert_eq!((how.as_str(), restart), ("ended with code 3", None));
    }
}
