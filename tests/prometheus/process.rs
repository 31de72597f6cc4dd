use std::{
    fmt::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where the program may be, beside the search path.
const UNPACKED: &str = "target/peers/prometheus/usr/bin/prometheus";
/// The process ends after this many seconds, whatever becomes of the test.
const LONGEST_LIFE_S: &str = "120";

/// A real Prometheus on loopback; ends with this value.
pub(crate) struct Process {
    pub(crate) url: String,
    child: Child,
    _data: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // `timeout` passes it on.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The program, if this machine has it.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("prometheus"));
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join(UNPACKED);
    installed.chain([unpacked]).find(|candidate| candidate.is_file())
}

impl Process {
    /// Scrapes `target` every second.
    pub(crate) fn start(program: &Path, target: &str) -> Self {
        let data = TempDir::new().unwrap();
        let mut config = String::from("global: {scrape_interval: 1s}\nscrape_configs:\n");
        writeln!(config, "  - job_name: queue").unwrap();
        writeln!(config, "    static_configs: [{{targets: ['{target}']}}]").unwrap();
        let file = data.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        // Free a moment ago; nobody else is given it so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("timeout")
            .args(["--signal=TERM", "--kill-after=5", LONGEST_LIFE_S])
            .arg(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { url: format!("http://127.0.0.1:{port}"), child, _data: data }
    }
}
