use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use navarch_host::Moment;
use serde::Serialize;

use crate::{
    error::ChaosError,
    host::Host,
    load::Stream,
    proc::{Group, GroupOptions},
    report::{Report, Spread},
    strace::{Sync, Tracer, syncs},
};

/// The file of the log within a replica's data directory.
const LOG_FILE: &str = "db";

/// Between two writes: a third replica that is late with the write before must not count for the next one.
const PAUSE: Duration = Duration::from_millis(30);

/// `navarch-chaos durability`
#[derive(Clone, Debug)]
pub struct DurabilityOptions {
    /// The `strace` program.
    pub strace: PathBuf,
    /// Writes, one after the other.
    pub writes: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct DurabilityReport {
    /// Writes acknowledged.
    pub writes: usize,
    /// Replicas.
    pub replicas: usize,
    /// The fewest replicas that synced their log within a write.
    pub fewest_synced: usize,
    /// Syncs of the logs that were seen.
    pub syncs: usize,
    /// How long the writes took under `strace`.
    pub latency: Spread,
    /// What must not be: a write without syncs of a majority.
    pub violations: Vec<String>,
}

/// Traces the system calls of all replicas while one client writes: within each write, from its call to its
/// acknowledgement, a majority must have begun and finished a sync of the log.
///
/// # Errors
///
/// If the run cannot be carried out, or the processes may not be traced.
pub async fn durability(
    host: &Host,
    group: GroupOptions,
    options: DurabilityOptions,
) -> Result<DurabilityReport, ChaosError> {
    let group = Group::start(host, group).await?;
    let mut tracers = Vec::new();
    for index in 0..group.len() {
        let Some(id) = group.process_id(index) else { continue };
        let output = group.directory().join(format!("{}.strace", group.name(index)));
        tracers.push((index, Tracer::attach(host, &options.strace, id, &output).await?));
    }
    let wall = WallClock::set(host);
    let stream = Stream::start(host, &group, 0)?;
    // The first write finds the leader and opens the connection.
    stream.probe().await?;
    let mut writes = Vec::new();
    for _ in 0..options.writes {
        host.clock.sleep(PAUSE).await;
        let begun = host.clock.now();
        stream.probe().await?;
        writes.push((begun, host.clock.now()));
    }
    let mut seen = Vec::new();
    for (index, tracer) in tracers {
        let trace = tracer.detach(host).await?;
        seen.push(log_syncs(&trace, &group.data_dir(index)));
    }
    Ok(judge(&writes, &seen, wall))
}

/// The syncs of a replica's log.
fn log_syncs(trace: &str, data_dir: &Path) -> Vec<Sync> {
    let of_log = |sync: &Sync| {
        sync.path.starts_with(data_dir)
            && sync.path.file_name().is_some_and(|name| name == LOG_FILE)
    };
    syncs(trace).into_iter().filter(of_log).collect()
}

fn judge(writes: &[(Moment, Moment)], seen: &[Vec<Sync>], wall: WallClock) -> DurabilityReport {
    let majority = seen.len() / 2 + 1;
    let (mut fewest_synced, mut violations) = (seen.len(), Vec::new());
    for (number, &(begun, ended)) in writes.iter().enumerate() {
        let (begun_us, ended_us) = (wall.micros(begun), wall.micros(ended));
        let within = |sync: &Sync| sync.begun_us >= begun_us && sync.ended_us <= ended_us;
        let synced = seen.iter().filter(|syncs| syncs.iter().any(within)).count();
        fewest_synced = fewest_synced.min(synced);
        if synced < majority {
            violations.push(format!(
                "write {number}, acknowledged at {ended_us} us, was synced by {synced} of {} replicas",
                seen.len()
            ));
        }
    }
    let latencies: Vec<_> = writes.iter().map(|(begun, ended)| ended.since(*begun)).collect();
    DurabilityReport {
        writes: writes.len(),
        replicas: seen.len(),
        fewest_synced,
        syncs: seen.iter().map(Vec::len).sum(),
        latency: Spread::of(&latencies),
        violations,
    }
}

/// Wall-clock time to the microsecond, of a clock that tells it to the millisecond.
#[derive(Clone, Copy, Debug)]
struct WallClock {
    at: Moment,
    at_us: u64,
}

impl WallClock {
    /// Waits for the turn of a millisecond.
    fn set(host: &Host) -> Self {
        let before_ms = host.clock.wall_ms();
        loop {
            let now_ms = host.clock.wall_ms();
            if now_ms != before_ms {
                return Self { at: host.clock.now(), at_us: now_ms.saturating_mul(1_000) };
            }
            std::hint::spin_loop();
        }
    }

    fn micros(self, moment: Moment) -> u64 {
        let since = u64::try_from(moment.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.at_us.saturating_add(since)
    }
}

impl Report for DurabilityReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let synced = format!("{} of {}", self.fewest_synced, self.replicas);
        vec![
            vec!["writes of one client".to_owned(), self.writes.to_string()],
            vec!["logs synced within each, at least".to_owned(), synced],
            vec!["syncs of logs seen".to_owned(), self.syncs.to_string()],
            vec!["a write took".to_owned(), self.latency.words()],
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a replica that acknowledges before it syncs would pass.
    #[tokio::test]
    async fn syncs_count_only_within_the_write() {
        let start = Host::system().clock.now();
        let wall = WallClock { at: start, at_us: 1_000_000 };
        let at = |us| start + Duration::from_micros(us);
        let sync = |begun_us: u64, ended_us: u64| Sync {
            path: PathBuf::from("/d/db"),
            begun_us: 1_000_000 + begun_us,
            ended_us: 1_000_000 + ended_us,
        };
        let writes = [(at(100), at(500))];
        let table = [
            ([sync(150, 300), sync(200, 500), sync(450, 600)], 2),
            ([sync(150, 300), sync(90, 400), sync(450, 600)], 1),
            ([sync(0, 50), sync(90, 400), sync(501, 600)], 0),
        ];
        for (seen, synced) in table {
            let report = judge(&writes, &seen.map(|sync| vec![sync]), wall);
            assert_eq!(report.fewest_synced, synced, "{report:?}");
            assert_eq!(report.violations.is_empty(), synced >= 2, "{report:?}");
        }
    }
}
