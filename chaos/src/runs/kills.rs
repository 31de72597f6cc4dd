use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use navarch::config::parse_duration;
use navarch_host::Moment;
use rand::RngExt as _;
use serde::Serialize;

use super::progress;
use crate::{
    error::ChaosError,
    history,
    host::Host,
    load::{
        Checked, Counts, Follower, History, Workload, WorkloadOptions, conclude,
        registers::{RegisterClients, RegisterFleet, Registers, RegistersOptions},
    },
    proc::{Group, GroupOptions},
    record::InvariantRecord,
    report::{Report, Spread},
    wait::until,
};

/// How long a replica may take to serve again, or a group to elect: far above what either takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Longest pause between a replica's return and the next kill, milliseconds. It is drawn by chance, so that
/// kills meet the group in many states.
const LONGEST_PAUSE_MS: u64 = 500;

/// Which replicas a blow kills at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Victims {
    /// The one that leads
    #[default]
    Leader,
    /// One that follows
    Follower,
    /// The leader and as many others as make a majority
    Majority,
    /// All of them
    All,
}

impl Victims {
    /// The indices of those to kill, of `replicas`.
    fn of(self, leader: usize, replicas: usize) -> Vec<usize> {
        let (skipped, count) = match self {
            Self::Leader => (0, 1),
            Self::Follower => (1, 1),
            Self::Majority => (0, replicas / 2 + 1),
            Self::All => (0, replicas),
        };
        (skipped..skipped + count).map(|step| (leader + step) % replicas).collect()
    }
}

/// `navarch-chaos kills`
#[derive(Args, Clone, Debug)]
pub struct KillsOptions {
    /// How often
    #[arg(long, default_value_t = 100)]
    pub count: usize,
    /// Whom to kill each time
    #[arg(long, value_enum, default_value_t)]
    pub victims: Victims,
    /// Clients that write
    #[arg(long, default_value_t = 8)]
    pub clients: usize,
    /// How long a killed replica stays away
    #[arg(long, default_value = "500ms", value_parser = parse_duration)]
    pub down: Duration,
    /// Pools whose targets are registers that three clients each set and read at once
    #[arg(long, default_value_t = 4)]
    pub registers: u32,
    /// Where what clients asked and were told is written, a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct KillsReport {
    /// Blows.
    pub kills: usize,
    /// Whom each of them killed.
    pub victims: Victims,
    /// What the clients did.
    pub counts: Counts,
    /// Why writes failed, if any did.
    pub failures: Vec<String>,
    /// From a kill until a write was acknowledged that had begun after it.
    pub gap: Spread,
    /// What the check went through.
    pub checked: Checked,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Kills the leader, or others, again and again while clients write and read, and then checks every replica against what
/// the clients were told.
///
/// # Errors
///
/// If the run cannot be carried out; a group that does not come back is such an error.
pub async fn kills(
    host: &Host,
    group: GroupOptions,
    options: KillsOptions,
) -> Result<KillsReport, ChaosError> {
    let fleet = RegisterFleet::new(group.fleet.clone(), options.registers);
    let mut group = Group::start(host, GroupOptions { fleet: fleet.file(), ..group }).await?;
    let load = WorkloadOptions { writers: options.clients, ..WorkloadOptions::default() };
    let follower = Follower::start(host, group.client()?, 0);
    let workload = Workload::start(host, &group, load)?;
    let history = workload.history();
    let (clients, record) = (RegisterClients::of(&group)?, history.recorder());
    let record = (record, workload.stopwatch());
    let registers = Registers::start(host, &clients, &fleet, record, RegistersOptions::default());
    let registers = registers.await?;
    let mut gaps = Vec::new();
    let struck = strike(host, &mut group, &history, &options, &mut gaps).await;
    registers.stop().await;
    let history = workload.stop().await;
    let checked = match struck {
        Ok(()) => conclude(host, &group, &history, follower).await,
        Err(error) => Err(error),
    };
    if let Some(path) = &options.history {
        history::write(path, &history.recorder().events())?;
    }
    let violations = history.violations();
    if checked.is_err() || !violations.is_empty() {
        let kept = group.keep_files();
        eprintln!("the group's files are kept in {}", kept.display());
    }
    Ok(KillsReport {
        kills: gaps.len(),
        victims: options.victims,
        counts: history.counts(),
        failures: history.failures(),
        gap: Spread::of(&gaps),
        checked: checked?,
        violations,
    })
}

async fn strike(
    host: &Host,
    group: &mut Group,
    history: &History,
    options: &KillsOptions,
    gaps: &mut Vec<Duration>,
) -> Result<(), ChaosError> {
    let start = host.clock.now();
    written_since(host, history, start).await?;
    for kill in 1..=options.count {
        let gap = blow(host, group, history, options).await?;
        gaps.push(gap);
        let (writes, violations) = (history.counts().writes, history.violations().len());
        let told = format!("gap {gap:.1?}; {writes} writes, {violations} violations");
        progress::say(kill, options.count, &told);
        let pause_ms = rand::rng().random_range(0..=LONGEST_PAUSE_MS);
        host.clock.sleep(Duration::from_millis(pause_ms)).await;
        group.check_running()?;
    }
    Ok(())
}

/// Kills, waits, and starts again whom it killed; answers how long writes were without an acknowledgement.
async fn blow(
    host: &Host,
    group: &mut Group,
    history: &History,
    options: &KillsOptions,
) -> Result<Duration, ChaosError> {
    let leader = group.leader(LIMIT).await?;
    let victims = options.victims.of(leader, group.len());
    let majority_left = victims.len() <= (group.len() - 1) / 2;
    let killed = host.clock.now();
    for &victim in &victims {
        group.kill(victim).await?;
    }
    let mut gap = None;
    if majority_left {
        written_since(host, history, killed).await?;
        gap = Some(host.clock.now().since(killed));
    }
    host.clock.sleep(options.down).await;
    for &victim in &victims {
        group.start_replica(victim)?;
    }
    if !majority_left {
        written_since(host, history, killed).await?;
    }
    let gap = gap.unwrap_or_else(|| host.clock.now().since(killed));
    group.wait_all_ready(LIMIT).await?;
    Ok(gap)
}

/// Waits until a write is acknowledged that began after `moment`.
async fn written_since(host: &Host, history: &History, moment: Moment) -> Result<(), ChaosError> {
    until(host, "an acknowledged write", LIMIT, || {
        let written = history.youngest_write().is_some_and(|begun| begun > moment);
        let standing = || format!("{:?}, {:?}", history.counts(), history.failures());
        std::future::ready(if written { Ok(()) } else { Err(standing()) })
    })
    .await
}

impl Report for KillsReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let Counts { writes, failed_writes, repeats, reads, failed_reads } = self.counts;
        let Checked { nodes, orders, applied_index, state_hash, invariants } = &self.checked;
        let mut rows = vec![
            vec![format!("killed ({:?})", self.victims).to_lowercase(), self.kills.to_string()],
            vec!["writes".to_owned(), format!("{writes} acknowledged, {failed_writes} failed")],
            vec!["repeats under a request id".to_owned(), repeats.to_string()],
            vec!["reads".to_owned(), format!("{reads} answered, {failed_reads} failed")],
            vec!["kill to next write".to_owned(), self.gap.words()],
            vec!["checked".to_owned(), format!("{nodes} nodes, {orders} orders")],
            vec!["state hash".to_owned(), format!("{state_hash} at {applied_index}")],
        ];
        rows.extend(invariants.iter().map(InvariantRecord::row));
        let failures = self.failures.iter();
        rows.extend(failures.map(|failure| vec!["failed write".to_owned(), failure.clone()]));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a blow that should end the group could leave it a majority.
    #[test]
    fn blows_kill_whom_they_name() {
        let table = [
            (Victims::Leader, vec![2]),
            (Victims::Follower, vec![0]),
            (Victims::Majority, vec![2, 0]),
            (Victims::All, vec![2, 0, 1]),
        ];
        for (victims, expected) in table {
            assert_eq!(victims.of(2, 3), expected, "{victims:?}");
        }
        assert_eq!(Victims::Majority.of(4, 5), [4, 0, 1]);
    }
}
