use std::time::Duration;

use serde::Serialize;

use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    load::Stream,
    proc::{Group, GroupOptions},
    report::{Report, Spread},
};

/// How long a replica may take to serve again, or a group to elect.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the group serves in peace before each blow, so that clients know the leader again.
const PEACE: Duration = Duration::from_millis(500);

/// What acknowledgements are looked at after a leader has handed over and stopped.
const AFTERMATH: Duration = Duration::from_millis(500);

/// `navarch-chaos failover`
#[derive(Clone, Copy, Debug)]
pub struct FailoverOptions {
    /// Leaders to kill, or to stop.
    pub kills: usize,
    /// Clients that write meanwhile.
    pub clients: usize,
    /// Stop them with SIGTERM instead of killing them.
    pub graceful: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct FailoverReport {
    /// Whether leaders were asked to stop instead of killed.
    pub graceful: bool,
    /// Leaders killed, or stopped.
    pub kills: usize,
    /// From the kill until a write was acknowledged that began right after it; or for stopped leaders, the
    /// longest time without an acknowledgement.
    pub gap: Spread,
    /// Writes acknowledged.
    pub writes: usize,
    /// Why writes failed, if any did.
    pub failures: Vec<String>,
    /// What must not be: a failed write.
    pub violations: Vec<String>,
}

/// Measures how long clients that write as fast as they can wait for a new leader.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn failover(
    host: &Host,
    group: GroupOptions,
    options: FailoverOptions,
) -> Result<FailoverReport, ChaosError> {
    let mut group = Group::start(host, group).await?;
    let stream = Stream::start(host, &group, options.clients)?;
    let (mut gaps, mut writes, mut failures) = (Vec::new(), 0, Vec::new());
    for kill in 1..=options.kills {
        host.clock.sleep(PEACE).await;
        let leader = group.leader(LIMIT).await?;
        let before = stream.take();
        let gap = if options.graceful {
            group.terminate(leader).await?;
            host.clock.sleep(AFTERMATH).await;
            None
        } else {
            let killed = host.clock.now();
            let (killing, probe) = futures::join!(group.kill(leader), stream.probe());
            killing?;
            Some(probe.map(|_| host.clock.now().since(killed))?)
        };
        let after = stream.take();
        let gap = gap.unwrap_or_else(|| after.longest_gap());
        gaps.push(gap);
        writes += before.at.len() + after.at.len();
        failures.extend(before.failures.into_iter().chain(after.failures));
        let told = format!("gap {gap:.1?}, {writes} writes, {} failed", failures.len());
        progress::say(kill, options.kills, &told);
        group.bring_back(leader, LIMIT).await?;
    }
    let last = stream.stop().await;
    writes += last.at.len();
    failures.extend(last.failures);
    let violations = failures.iter().map(|failure| format!("failed write: {failure}")).collect();
    let (graceful, kills, gap) = (options.graceful, gaps.len(), Spread::of(&gaps));
    Ok(FailoverReport { graceful, kills, gap, writes, failures, violations })
}

impl Report for FailoverReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let (blow, gap) = if self.graceful {
            ("leaders stopped", "longest time without a write")
        } else {
            ("leaders killed", "kill to next write")
        };
        let writes = format!("{} acknowledged, {} failed", self.writes, self.failures.len());
        vec![
            vec![blow.to_owned(), self.kills.to_string()],
            vec![gap.to_owned(), self.gap.words()],
            vec!["writes".to_owned(), writes],
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
