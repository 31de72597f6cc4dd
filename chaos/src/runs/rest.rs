use std::{path::PathBuf, time::Duration};

use clap::Args;
use navarch::config::parse_duration;
use serde::Serialize;

use super::Build;
use crate::{
    error::ChaosError,
    host::Host,
    proc::{Group, GroupOptions},
    record::{InvariantRecord, RunRecord, Verdict},
    report::{Report, millis_of},
};

/// Between two looks at the terms.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `navarch-chaos rest`
#[derive(Args, Clone, Debug)]
pub struct RestOptions {
    /// How long
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub duration: Duration,
    /// Leave a record for the report in this folder
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}

/// What came of a rest.
#[derive(Clone, Debug, Serialize)]
pub struct RestReport {
    /// How long nothing was done to the group.
    pub duration_s: f64,
    /// By how much the term rose.
    pub elections: u64,
    /// Looks at a replica that it did not answer in time.
    pub unanswered: u64,
    /// What must not be: an election.
    pub violations: Vec<String>,
}

/// Leaves a group alone and counts its elections.
///
/// # Errors
///
/// If the run cannot be carried out, or a replica ends.
pub async fn rest(
    host: &Host,
    group: GroupOptions,
    options: RestOptions,
) -> Result<RestReport, ChaosError> {
    let RestOptions { duration, record } = options;
    let (program, started_unix_ms) = (group.program.clone(), host.clock.wall_ms());
    let mut group = Group::start(host, group).await?;
    let (mut unanswered, mut violations) = (0, Vec::new());
    let first = highest_term(&group, &mut unanswered).await;
    let mut term = first;
    let started = host.clock.now();
    while host.clock.now().since(started) < duration {
        host.clock.sleep(LOOK_EVERY).await;
        group.check_running()?;
        let now = highest_term(&group, &mut unanswered).await;
        if now > term {
            let after = host.clock.now().since(started).as_secs_f64();
            violations.push(format!("after {after:.0} s the term rose from {term} to {now}"));
            term = now;
        }
    }
    let rested = host.clock.now().since(started);
    let duration_s = rested.as_secs_f64();
    let report = RestReport { duration_s, elections: term - first, unanswered, violations };
    if let Some(directory) = record {
        let record = RunRecord {
            run: "rest".to_owned(),
            name: format!("{} replicas", group.len()),
            command: format!("navarch-chaos rest --duration {}s", duration.as_secs()),
            started_unix_ms,
            took_ms: millis_of(rested),
            invariants: vec![report.invariant()],
            ..Build::of(&program).await.record()
        };
        record.save(&directory)?;
    }
    Ok(report)
}

impl RestReport {
    fn invariant(&self) -> InvariantRecord {
        let Self { elections, duration_s, unanswered, violations } = self;
        // The term is looked at once a second.
        let checked = millis_of(Duration::from_secs_f64(*duration_s)) / 1_000;
        let verdict = match (violations.is_empty(), checked) {
            (false, _) => Verdict::Violated,
            (true, 0) => Verdict::Unknown,
            (true, _) => Verdict::Held,
        };
        InvariantRecord {
            invariant: "no-election-at-rest".to_owned(),
            verdict,
            checked,
            evidence: format!(
                "{elections} elections in {duration_s:.0} s; {unanswered} looks were not answered in time"
            ),
        }
    }
}

/// The highest term that a replica knows; it is the last one known while none answers.
async fn highest_term(group: &Group, unanswered: &mut u64) -> u64 {
    let mut highest = 0;
    for index in 0..group.len() {
        match group.standing(index).await {
            Ok(standing) => highest = highest.max(standing.term),
            Err(_) => *unanswered += 1,
        }
    }
    highest
}

impl Report for RestReport {
    fn rows(&self) -> Vec<Vec<String>> {
        vec![
            vec!["at rest".to_owned(), format!("{:.0} s", self.duration_s)],
            vec!["elections".to_owned(), self.elections.to_string()],
            vec!["unanswered looks".to_owned(), self.unanswered.to_string()],
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
