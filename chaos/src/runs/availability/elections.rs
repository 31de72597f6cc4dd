use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use crate::error::ChaosError;

/// What has replicas write a line for each campaign, and none for each write: lines of that kind would be measured too.
pub(super) const LOG_LEVEL: &str = "info,openraft=error,openraft::engine::engine_impl=info,\
     openraft::engine::handler::server_state_handler=info";

/// A replica that hears no leader asks first whether the others would vote for it; that is when it has noticed. One to
/// which leadership is handed over campaigns at once.
const CAMPAIGNS: [&str; 2] = ["new pre-candidate:", "new candidate:"];

const LEADS: &str = "becomes leader";

/// What the replicas' logs tell of elections from now on: each line bears the time of the machine's clock, which is ours
/// too, to the microsecond.
#[derive(Debug, Default)]
pub(super) struct Elections {
    /// Each log, and where it ended.
    logs: Vec<(PathBuf, u64)>,
}

/// The first election after a fault, microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Election {
    /// A replica began to campaign.
    pub(super) begun_us: i64,
    /// One led.
    pub(super) won_us: i64,
}

impl Elections {
    /// Remembers where the logs end.
    pub(super) fn since_now(logs: Vec<PathBuf>) -> Self {
        let marked = logs.into_iter().map(|path| {
            let end = path.metadata().map_or(0, |metadata| metadata.len());
            (path, end)
        });
        Self { logs: marked.collect() }
    }

    /// The first election that began after `since_ms`.
    ///
    /// # Errors
    ///
    /// If the logs cannot be read, or tell of none.
    pub(super) fn first(&self, since_ms: u64) -> Result<Election, ChaosError> {
        let mut text = String::new();
        for (path, end) in &self.logs {
            let failed = ChaosError::system(format!("read {}", path.display()));
            text.push_str(&read_from(path.clone(), *end).map_err(failed)?);
        }
        first_in(&text, since_ms).ok_or_else(|| ChaosError::Tool {
            program: "the replicas' logs".to_owned(),
            problem: format!(
                "no election in them after a fault that ended a leader's time:\n{text}"
            ),
        })
    }
}

fn read_from(path: PathBuf, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn first_in(text: &str, since_ms: u64) -> Option<Election> {
    let since_us = i64::try_from(since_ms).ok()?.checked_mul(1_000)?;
    let timed = |line: &str| {
        let at = line.split_whitespace().next()?.parse::<jiff::Timestamp>().ok()?;
        Some(at.as_microsecond()).filter(|at| *at >= since_us)
    };
    let earliest = |words: &[&str], from: i64| {
        let lines = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        lines.filter_map(timed).filter(|at| *at >= from).min()
    };
    let begun_us = earliest(&CAMPAIGNS, since_us)?;
    let won_us = earliest(&[LEADS], begun_us)?;
    Some(Election { begun_us, won_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-01-01T00:00:00.900000Z  INFO engine_impl: elect: new candidate: {T1}
2026-01-01T00:00:00.950000Z  INFO handler: id=1 becomes leader
a line without a time: new candidate:
2026-01-01T00:00:02.300000Z  INFO engine_impl: elect: new candidate: {T2}
2026-01-01T00:00:02.250000Z  INFO engine_impl: pre_elect: new pre-candidate: {T2}
2026-01-01T00:00:02.310000Z  INFO handler: id=2 becomes leader
";

    /// Without it an election of long ago could be taken for the one that a fault caused.
    #[test]
    fn the_first_election_after_the_fault_is_found() {
        let second = 1_767_225_601_000;
        let election = first_in(LOG, second).unwrap();
        let second_us = 1_767_225_601_000_000;
        assert_eq!(election.begun_us - second_us, 1_250_000);
        assert_eq!(election.won_us - second_us, 1_310_000);
        assert_eq!(first_in(LOG, second + 2_000), None);
    }
}
