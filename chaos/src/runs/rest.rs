use std::time::Duration;

use serde::Serialize;

use crate::{
    error::ChaosError,
    host::Host,
    proc::{Group, GroupOptions},
    report::Report,
};

/// Between two looks at the terms.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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

/// Leaves a group alone for `duration` and counts its elections.
///
/// # Errors
///
/// If the run cannot be carried out, or a replica ends.
pub async fn rest(
    host: &Host,
    group: GroupOptions,
    duration: Duration,
) -> Result<RestReport, ChaosError> {
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
    let duration_s = host.clock.now().since(started).as_secs_f64();
    Ok(RestReport { duration_s, elections: term - first, unanswered, violations })
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
