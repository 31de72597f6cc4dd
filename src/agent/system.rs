use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::net::UdpSocket;

/// What the operating system tells about this machine.
pub(super) struct System {
    proc_dir: PathBuf,
    last: Option<CpuTimes>,
}

/// Names that do not change while the machine runs; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) hostname: String,
    pub(super) kernel_version: String,
}

/// Processor time since boot, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTimes {
    busy: u64,
    total: u64,
}

/// Tells one boot from another.
pub(super) fn boot_id(proc_dir: &Path) -> io::Result<String> {
    let text = fs::read_to_string(proc_dir.join("sys/kernel/random/boot_id"))?;
    Ok(text.trim().to_owned())
}

impl System {
    pub(super) fn new(proc_dir: PathBuf) -> Self {
        Self { proc_dir, last: None }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            hostname: self.read("sys/kernel/hostname").trim().to_owned(),
            kernel_version: self.read("sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// Share of the processors' time that was used since the last call, or since boot at the first; 0 where
    /// the kernel does not tell.
    pub(super) fn cpu_percent(&mut self) -> f64 {
        let Some(now) = parse_cpu(&self.read("stat")) else {
            return 0.0;
        };
        let before = self.last.replace(now).unwrap_or(CpuTimes { busy: 0, total: 0 });
        percent(now.busy.saturating_sub(before.busy), now.total.saturating_sub(before.total))
    }

    /// Share of the memory that programs cannot have any more; 0 where the kernel does not tell.
    pub(super) fn memory_percent(&self) -> f64 {
        parse_memory(&self.read("meminfo"))
            .map_or(0.0, |(available, total)| percent(total.saturating_sub(available), total))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.proc_dir.join(name)).unwrap_or_default()
    }
}

/// The address from which this machine reaches `endpoint` (`host:port`); empty where there is no route.
pub(super) async fn address_towards(endpoint: &str) -> String {
    for local in ["0.0.0.0:0", "[::]:0"] {
        let Ok(socket) = UdpSocket::bind(local).await else {
            continue;
        };
        // Connecting a datagram socket sends nothing: it only asks the kernel for the route.
        if socket.connect(endpoint).await.is_ok()
            && let Ok(address) = socket.local_addr()
        {
            return address.ip().to_string();
        }
    }
    String::new()
}

/// The first line of `/proc/stat`: user nice system idle iowait irq softirq steal guest guest_nice. Guest time
/// is counted in user time already (proc(5)).
fn parse_cpu(text: &str) -> Option<CpuTimes> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0);
    let total = ticks.iter().sum();
    Some(CpuTimes { busy: total - idle, total })
}

/// Available and total memory, kB. Kernels before 3.14 have no `MemAvailable`: free and cached stand in.
fn parse_memory(text: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let total = field("MemTotal")?;
    let available = field("MemAvailable").or_else(|| Some(field("MemFree")? + field("Cached")?))?;
    Some((available, total))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a percentage needs far fewer digits than a double has"
)]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const STAT: &str = "cpu  100 20 30 800 50 5 5 10 60 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n";

    /// Without it waiting for the disk or a guest's time would count as work.
    #[rstest]
    #[case(STAT, Some((170, 1020)))]
    #[case("cpu  1 2 3 4\n", Some((6, 10)))]
    #[case("cpu  1 2 x 4\n", None)]
    #[case("cpu  1\n", None)]
    #[case("", None)]
    fn reads_processor_times(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        assert_eq!(parse_cpu(text).map(|times| (times.busy, times.total)), expected);
    }

    /// Without it the page cache would look like used memory.
    #[rstest]
    #[case("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable:   700 kB\n", Some((700, 1000)))]
    #[case("MemTotal:  1000 kB\nMemFree: 100 kB\nCached: 300 kB\n", Some((400, 1000)))]
    #[case("MemFree: 100 kB\n", None)]
    #[case("MemTotal: many kB\n", None)]
    fn reads_memory(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        assert_eq!(parse_memory(text), expected);
    }

    proptest! {
        /// Without it a kernel with another format could end the agent.
        #[test]
        fn any_text_is_read_without_panic(text in "(cpu |MemTotal:)?[ 0-9a-z\n]{0,80}") {
            let _ = (parse_cpu(&text), parse_memory(&text));
        }
    }

    /// Without it a node's load would be its mean since boot, which never moves.
    #[test]
    fn the_load_is_that_since_the_last_reading() {
        let directory = tempfile::tempdir().unwrap();
        let stat = directory.path().join("stat");
        let mut system = System::new(directory.path().to_owned());
        fs::write(&stat, "cpu  100 0 0 900\n").unwrap();
        assert_eq!(system.cpu_percent(), 10.0);
        fs::write(&stat, "cpu  175 0 0 925\n").unwrap();
        assert_eq!(system.cpu_percent(), 75.0);
        assert_eq!(system.cpu_percent(), 0.0);
        fs::remove_file(&stat).unwrap();
        assert_eq!(system.cpu_percent(), 0.0);
    }

    /// Without it the figures of a real machine might be those of a test file only.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_its_figures() {
        let mut system = System::new(PathBuf::from("/proc"));
        assert!(!system.facts().kernel_version.is_empty());
        assert!((0.0..=100.0).contains(&system.cpu_percent()));
        let memory = system.memory_percent();
        assert!(memory > 0.0 && memory < 100.0, "{memory}");
    }

    /// Without it a node would be listed without the address at which its owner finds it.
    #[tokio::test]
    async fn the_address_is_the_one_the_replica_would_see() {
        assert_eq!(address_towards("127.0.0.1:9").await, "127.0.0.1");
        assert_eq!(address_towards("no such host:9").await, "");
    }
}
