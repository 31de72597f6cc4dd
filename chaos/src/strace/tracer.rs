use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{error::ChaosError, host::Host, proc::Process, wait::until};

/// How long attaching may take, and letting go.
const LIMIT: Duration = Duration::from_secs(20);

/// The `strace` program on the path.
pub fn find_strace() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("strace")).find(|path| path.is_file())
}

/// `strace`, attached to all threads of a process.
pub struct Tracer {
    process: Process,
    output: PathBuf,
}

impl Tracer {
    /// Attaches `program` to process `id`; what it writes goes to `output` and a log beside it.
    ///
    /// # Errors
    ///
    /// If it is not allowed to.
    pub async fn attach(
        host: &Host,
        program: &Path,
        id: u32,
        output: &Path,
    ) -> Result<Self, ChaosError> {
        let written = output.display().to_string();
        let id = id.to_string();
        let arguments = ["-f", "-ttt", "-T", "-y", "-o", &written, "-p", &id];
        let calls = ["-e", "trace=fdatasync,fsync,sync_file_range"];
        let arguments = arguments.into_iter().chain(calls).map(str::to_owned).collect();
        let log = output.with_extension("log");
        let mut process = Process::new("strace", program, arguments, log);
        process.start()?;
        until(host, "attaching strace", LIMIT, || {
            let said = process.log_tail();
            let attached = said.contains("attached");
            std::future::ready(if attached { Ok(()) } else { Err(said) })
        })
        .await?;
        process.check_running()?;
        Ok(Self { process, output: output.to_owned() })
    }

    /// Lets go of the process, and answers what was written.
    ///
    /// # Errors
    ///
    /// If it does not let go, or nothing can be read.
    pub async fn detach(mut self, host: &Host) -> Result<String, ChaosError> {
        self.process.terminate(host, LIMIT).await?;
        let read = fs::read_to_string(&self.output);
        read.map_err(ChaosError::system(format!("read {}", self.output.display())))
    }
}
