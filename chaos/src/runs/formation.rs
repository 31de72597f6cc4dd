use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use navarch_host::Moment;
use rand::RngExt as _;
use serde::Serialize;

use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    load::Stream,
    proc::{Group, GroupOptions},
    report::{Report, Spread},
};

/// How long a struck group may take to form in the end.
const LIMIT: Duration = Duration::from_secs(60);

/// Kills of one group at most: then it is let alone, and a new one is formed.
const KILLS_A_GROUP: usize = 10;

/// Longest time between two kills, milliseconds. A start takes tens of milliseconds, forming a group some
/// hundreds, so that kills meet every step of it.
const LONGEST_PAUSE_MS: u64 = 250;

/// `navarch-chaos formation`
#[derive(Clone, Copy, Debug)]
pub struct FormationOptions {
    /// Kills while groups are formed, over as many groups as it takes.
    pub kills: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct FormationReport {
    /// Kills before the group served.
    pub kills: usize,
    /// Groups formed.
    pub groups: usize,
    /// From the last kill until every replica served.
    pub recovery: Spread,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Kills replicas at random while they form a group, until `kills` have met groups that did not serve yet.
/// Each group must end as one, with one id and every replica a voter, and serve.
///
/// # Errors
///
/// If the run cannot be carried out; a group that does not form is such an error.
pub async fn formation(
    host: &Host,
    group: GroupOptions,
    options: FormationOptions,
) -> Result<FormationReport, ChaosError> {
    let mut report = FormationReport {
        kills: 0,
        groups: 0,
        recovery: Spread::default(),
        violations: Vec::new(),
    };
    let mut recoveries = Vec::new();
    while report.kills < options.kills {
        let group = GroupOptions { directory: None, ..group.clone() };
        let mut group = Group::lay_out(host, group)?;
        for index in 0..group.len() {
            group.start_replica(index)?;
        }
        let most = KILLS_A_GROUP.min(options.kills - report.kills);
        let (kills, last_kill) = strike(host, &mut group, most).await?;
        group.wait_all_ready(LIMIT).await?;
        recoveries.push(host.clock.now().since(last_kill));
        report.kills += kills;
        report.groups += 1;
        let wrong = examine(host, &group).await?;
        if !wrong.is_empty() {
            eprintln!("the group's files are kept in {}", group.keep_files().display());
        }
        report.violations.extend(wrong);
        let told = format!("{} groups, {} violations", report.groups, report.violations.len());
        progress::say(report.kills, options.kills, &told);
    }
    report.recovery = Spread::of(&recoveries);
    Ok(report)
}

/// Kills a replica after the other, each started again at once, until `most` are killed or the group serves;
/// answers how many were killed before it did, and when the last one was.
async fn strike(
    host: &Host,
    group: &mut Group,
    most: usize,
) -> Result<(usize, Moment), ChaosError> {
    let mut last_kill = host.clock.now();
    for kill in 0..most {
        let pause_ms = rand::rng().random_range(0..=LONGEST_PAUSE_MS);
        host.clock.sleep(Duration::from_millis(pause_ms)).await;
        let probes =
            (0..group.len()).map(|index| group.readiness(index, Duration::from_millis(50)));
        let ready = join_all(probes).await;
        if ready.iter().all(|ready| matches!(ready, Ok(answer) if answer.status == 200)) {
            return Ok((kill, last_kill));
        }
        let victim = rand::rng().random_range(0..group.len());
        group.kill(victim).await?;
        last_kill = host.clock.now();
        group.start_replica(victim)?;
    }
    Ok((most, last_kill))
}

/// What is wrong with a group that has formed.
async fn examine(host: &Host, group: &Group) -> Result<Vec<String>, ChaosError> {
    let standings = join_all((0..group.len()).map(|index| group.standing(index))).await;
    let mut wrong = Vec::new();
    let (mut clusters, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (index, standing) in standings.into_iter().enumerate() {
        match standing {
            Ok(standing) => {
                let voters = standing.replicas.iter().filter(|(_, _, voter)| *voter).count();
                if voters != group.len() || standing.replicas.len() != group.len() {
                    wrong.push(format!("{} knows {standing:?}", group.name(index)));
                }
                clusters.insert(standing.cluster_id);
                ids.insert(standing.id);
            }
            Err(error) => wrong.push(format!("{} says nothing: {error}", group.name(index))),
        }
    }
    if clusters.len() != 1 || clusters.contains("") {
        wrong.push(format!("not one cluster: {clusters:?}"));
    }
    if ids.len() != group.len() || ids.contains(&0) {
        wrong.push(format!("replica ids {ids:?}"));
    }
    let stream = Stream::start(host, group, 1)?;
    stream.probe().await?;
    let failures = stream.stop().await.failures;
    wrong.extend(failures.into_iter().map(|(_, failure)| format!("failed write: {failure}")));
    Ok(wrong)
}

impl Report for FormationReport {
    fn rows(&self) -> Vec<Vec<String>> {
        vec![
            vec!["replicas killed during formation".to_owned(), self.kills.to_string()],
            vec!["groups formed".to_owned(), self.groups.to_string()],
            vec!["last kill to all serving".to_owned(), self.recovery.words()],
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
