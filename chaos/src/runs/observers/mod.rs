//! Leaders die while nodes fall ill and are cleared; whoever observes must be told of every change.

mod patients;
mod recipient;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clap::Args;
use navarch_proto::api::FleetEvent;
use serde::Serialize;

use self::{
    patients::Patients,
    recipient::{Recipient, Told},
};
use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    load::journal,
    proc::{FleetFile, Group, GroupOptions},
    report::Report,
    wait::until,
};

/// How long a replica may take to serve, and what is left to be told: far above what it takes.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the group serves before each blow.
const PEACE: Duration = Duration::from_secs(1);

/// `navarch-chaos observers`
#[derive(Args, Clone, Copy, Debug)]
pub struct ObserversOptions {
    /// Leaders to kill
    #[arg(long, default_value_t = 20)]
    pub failovers: usize,
    /// Nodes that fall ill and are cleared in turn
    #[arg(long, default_value_t = 50)]
    pub nodes: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct ObserversReport {
    /// Leaders killed.
    pub failovers: usize,
    /// Changes of health in the journal.
    pub changes: usize,
    /// Those of them to unhealthy.
    pub to_unhealthy: usize,
    /// Changes that were told, each counted once.
    pub told: usize,
    /// Changes that were told again after they had been taken in; the event index tells them apart.
    pub told_again: usize,
    /// Calls that the observer did not take in, so that they had to come again.
    pub troubles: usize,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Kills leaders while health changes, and compares what a webhook was told with the journal.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn observers(
    host: &Host,
    group: GroupOptions,
    options: ObserversOptions,
) -> Result<ObserversReport, ChaosError> {
    let recipient = Recipient::default();
    let url = recipient.listen(host).await?;
    let mut group = Group::start(host, prepared(group, &url)).await?;
    let client = group.client()?;
    let patients = Patients::admit(host, client.clone(), options.nodes).await?;
    for failover in 1..=options.failovers {
        host.clock.sleep(PEACE).await;
        let leader = group.leader(LIMIT).await?;
        group.kill(leader).await?;
        group.leader(LIMIT).await?;
        group.bring_back(leader, LIMIT).await?;
        progress::say(failover, options.failovers, "leaders killed");
    }
    let failed = patients.discharge().await;
    let events = journal(&client, 0).await?;
    let changes: BTreeMap<_, _> = events.iter().filter_map(change).collect();
    let all_told = until(host, "the news of every change", LIMIT, || async {
        let counts = recipient.counts();
        let missing = changes.keys().filter(|index| !counts.contains_key(index)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) }
    });
    let missing = all_told.await.err().map(|late| late.to_string());
    let mut violations = compare(&changes, &recipient.told());
    violations.extend(missing);
    if failed > 0 {
        violations.push(format!("{failed} reports or clearings failed"));
    }
    let counts = recipient.counts();
    Ok(ObserversReport {
        failovers: options.failovers,
        changes: changes.len(),
        to_unhealthy: changes.values().filter(|change| change.to == "unhealthy").count(),
        told: counts.len(),
        told_again: counts.values().map(|count| count - 1).sum(),
        troubles: recipient.troubles(),
        violations,
    })
}

/// The change of health that an event tells of, by its index.
fn change(event: &FleetEvent) -> Option<(u64, Told)> {
    let to = event.changes.iter().find(|change| change.field == "health")?.after.clone();
    let node_id = event.subject.strip_prefix("node/")?.to_owned();
    Some((event.index, Told { event_index: event.index, node_id, to }))
}

/// What was told must be in the journal as it was told, and come first in the order of the journal for each node.
fn compare(changes: &BTreeMap<u64, Told>, told: &[Told]) -> Vec<String> {
    let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut violations = Vec::new();
    for one in told {
        let Told { event_index: index, node_id, .. } = one;
        if changes.get(index) != Some(one) {
            violations.push(format!("told of {one:?}, and the journal has no such change"));
        }
        if !seen.insert(*index) {
            continue;
        }
        let before = last.insert(node_id.as_str(), *index).unwrap_or(0);
        if before > *index {
            violations.push(format!("{node_id}: event {index} was told after event {before}"));
        }
    }
    violations
}

fn prepared(group: GroupOptions, url: &str) -> GroupOptions {
    let mut fleet = FleetFile::quiet();
    fleet.server.push(format!("notifier: {{type: webhook, webhook: {{health_url: \"{url}\"}}}}"));
    GroupOptions { fleet, ..group }
}

impl Report for ObserversReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: usize| vec![name.to_owned(), value.to_string()];
        vec![
            row("leaders killed", self.failovers),
            row("changes of health", self.changes),
            row("to unhealthy", self.to_unhealthy),
            row("told", self.told),
            row("told again", self.told_again),
            row("calls not taken in", self.troubles),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event_index: u64, node_id: &str, to: &str) -> Told {
        Told { event_index, node_id: node_id.to_owned(), to: to.to_owned() }
    }

    /// Without it a run could take wrong news for right ones.
    #[test]
    fn wrong_news_are_seen() {
        let all = [told(1, "a", "unhealthy"), told(2, "b", "unhealthy"), told(3, "a", "unknown")];
        let changes: BTreeMap<_, _> =
            all.iter().map(|one| (one.event_index, one.clone())).collect();
        let [first, second, third] = all.clone();
        assert!(compare(&changes, &all).is_empty());
        let again = [first.clone(), third.clone(), first.clone(), second.clone(), third.clone()];
        assert!(compare(&changes, &again).is_empty(), "repeats and other nodes' order are fine");
        assert_eq!(compare(&changes, &[third, first]).len(), 1, "the order of one node");
        assert_eq!(compare(&changes, &[told(2, "a", "unhealthy")]).len(), 1, "another node");
        assert_eq!(compare(&changes, &[told(9, "a", "unhealthy")]).len(), 1, "no such event");
    }
}
