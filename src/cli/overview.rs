use std::collections::HashMap;

use navarch_proto::api::{self, ControllerReport, ReplicaInfo};

use super::{
    choices::short,
    output::{Cell, Column, Record, Screen, Tone, age, render, render_pairs},
};

/// A voter that the leader has not heard from for longer does not count as there.
const HEARD_WITHIN_MS: u64 = 2_000;

const CONTROLLER_COLUMNS: [Column; 6] = [
    Column::always("Controller"),
    Column::always("Finished"),
    Column::wide("Took"),
    Column::always("Steps"),
    Column::always("Failed"),
    Column::always("Summary"),
];

/// The fleet and the group of replicas on one screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    /// Nodes, instances, pools, control loops.
    pub(crate) fleet: api::GetFleetStatusResponse,
    /// The replicas.
    pub(crate) group: api::ListReplicasResponse,
}

/// How many voters there are, and are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quorum {
    /// All voters.
    pub(crate) voters: usize,
    /// Those that the leader heard from lately, itself included.
    pub(crate) heard: usize,
    /// How many must agree.
    pub(crate) needed: usize,
}

impl Overview {
    /// The replica that leads.
    pub(crate) fn leader(&self) -> Option<&ReplicaInfo> {
        let id = self.group.leader_id;
        self.group.replicas.iter().find(|replica| id != 0 && replica.id == id)
    }

    /// Its name.
    pub(crate) fn leader_name(&self) -> Option<&str> {
        self.leader().map(|leader| leader.name.as_str())
    }

    /// How the voters are.
    pub(crate) fn quorum(&self) -> Quorum {
        let voters: Vec<_> = self.group.replicas.iter().filter(|replica| replica.voter).collect();
        let there = |replica: &&&ReplicaInfo| {
            replica.id == self.group.leader_id
                || replica.last_contact_ms.is_some_and(|ms| ms <= HEARD_WITHIN_MS)
        };
        Quorum {
            voters: voters.len(),
            heard: voters.iter().filter(there).count(),
            needed: voters.len() / 2 + 1,
        }
    }

    /// The screen.
    pub(crate) fn render(&self, now_ms: u64, wide: bool, screen: Screen) -> String {
        let mut parts = vec![render_pairs(&self.summary(), screen)];
        parts.extend(section(&self.group.replicas, now_ms, wide, screen));
        parts.extend(section(&self.fleet.pools, now_ms, wide, screen));
        parts.extend(controllers(&self.fleet.controllers, now_ms, wide, screen));
        if !self.fleet.unhealthy_nodes.is_empty() {
            parts.push("Nodes that want attention".to_owned());
            parts.extend(section(&self.fleet.unhealthy_nodes, now_ms, wide, screen));
        }
        parts.join("\n\n")
    }

    fn summary(&self) -> Vec<(&'static str, Cell)> {
        let fleet = &self.fleet;
        let mut pairs = vec![
            ("Leader", self.leader_line()),
            ("Voters", self.quorum_line()),
            ("Nodes", counts(&fleet.nodes_by_status, "NODE_STATUS").into()),
            ("Instances", counts(&fleet.instances_by_state, "INSTANCE_STATE").into()),
            ("Breakers", breakers(&fleet.breakers)),
            ("Cluster", fleet.cluster_id.as_str().into()),
            ("State", format!("index {}", fleet.applied_index).into()),
        ];
        if !fleet.failing_rules.is_empty() {
            let told = Cell::toned(fleet.failing_rules.join("; "), Tone::Bad);
            pairs.push(("Failing rules", told));
        }
        if let Some(mode) = &fleet.adopt_mode {
            pairs.insert(0, ("Adopt mode", adopting(mode)));
        }
        pairs
    }

    fn leader_line(&self) -> Cell {
        match self.leader() {
            Some(leader) => {
                let text = format!(
                    "{} (term {}, session {})",
                    leader.name, leader.term, self.fleet.session
                );
                Cell::toned(text, Tone::Good)
            }
            None => Cell::toned("none", Tone::Bad),
        }
    }

    fn quorum_line(&self) -> Cell {
        let Quorum { voters, heard, needed } = self.quorum();
        let text = format!("{heard} of {voters} heard from, {needed} needed");
        let tone = match heard {
            heard if heard < needed => Tone::Bad,
            heard if heard < voters => Tone::Doubtful,
            _ => Tone::Good,
        };
        Cell::toned(text, tone)
    }
}

/// Counts by status as `16 (15 active, 1 unhealthy)`; zeros are left out.
pub(crate) fn counts(counts: &HashMap<String, u32>, prefix: &str) -> String {
    let mut known: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    if known.is_empty() {
        return "0".to_owned();
    }
    known.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), name.as_str()));
    let total: u64 = known.iter().map(|(_, count)| u64::from(**count)).sum();
    let parts: Vec<_> = known
        .iter()
        .map(|(name, count)| format!("{count} {}", short(&name.to_uppercase(), prefix)))
        .collect();
    format!("{total} ({})", parts.join(", "))
}

fn breakers(breakers: &[String]) -> Cell {
    if breakers.is_empty() {
        return "none".into();
    }
    Cell::toned(breakers.join("; "), Tone::Bad)
}

/// A restored fleet stands still, which a person must see first.
fn adopting(mode: &api::AdoptMode) -> Cell {
    let mut text = format!(
        "nothing is bought, given back or scaled since the restore of index {}; {} machines adopted",
        mode.snapshot_index, mode.adopted
    );
    if mode.unknown_agents > 0 {
        let ids = mode.unknown_agent_ids.join(", ");
        text.push_str(&format!("; {} agents beat unregistered ({ids})", mode.unknown_agents));
    }
    text.push_str("; `navarch snapshot end-adoption` ends it");
    Cell::toned(text, Tone::Doubtful)
}

fn section<R: Record>(records: &[R], now_ms: u64, wide: bool, screen: Screen) -> Option<String> {
    if records.is_empty() {
        return None;
    }
    let rows: Vec<_> = records.iter().map(|record| record.cells(now_ms)).collect();
    Some(render(R::COLUMNS, &rows, wide, screen))
}

fn controllers(
    reports: &[ControllerReport],
    now_ms: u64,
    wide: bool,
    screen: Screen,
) -> Option<String> {
    if reports.is_empty() {
        return None;
    }
    let rows: Vec<Vec<Cell>> = reports
        .iter()
        .map(|report| {
            let tone = if report.failed == 0 { Tone::Plain } else { Tone::Bad };
            let summary =
                if report.last_error.is_empty() { &report.summary } else { &report.last_error };
            vec![
                report.controller.as_str().into(),
                age::age(report.finished_at.as_ref(), now_ms).into(),
                format!("{}us", report.duration_us).into(),
                report.steps.to_string().into(),
                Cell::toned(report.failed.to_string(), tone),
                Cell::toned(summary.as_str(), tone),
            ]
        })
        .collect();
    Some(render(&CONTROLLER_COLUMNS, &rows, wide, screen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(id: u64, voter: bool, last_contact_ms: Option<u64>) -> ReplicaInfo {
        ReplicaInfo {
            id,
            name: format!("r{id}"),
            role: if id == 2 { "leader" } else { "follower" }.to_owned(),
            voter,
            term: 7,
            last_contact_ms,
            ..Default::default()
        }
    }

    fn overview() -> Overview {
        Overview {
            fleet: api::GetFleetStatusResponse {
                nodes_by_status: [
                    ("NODE_STATUS_ACTIVE".to_owned(), 15),
                    ("NODE_STATUS_UNHEALTHY".to_owned(), 1),
                ]
                .into(),
                pools: vec![api::PoolInfo { name: "training".to_owned(), ..Default::default() }],
                session: 42,
                ..Default::default()
            },
            group: api::ListReplicasResponse {
                replicas: vec![
                    replica(1, true, Some(80)),
                    replica(2, true, None),
                    replica(3, true, Some(60_000)),
                    replica(4, false, Some(10)),
                ],
                leader_id: 2,
                ..Default::default()
            },
        }
    }

    /// Without it an operator would not see that one more failure stops the group.
    #[test]
    fn voters_that_are_silent_or_learners_do_not_count() {
        let quorum = overview().quorum();
        assert_eq!(quorum, Quorum { voters: 3, heard: 2, needed: 2 });
    }

    /// Without it nobody would see why a restored fleet does nothing, or which agents are not heard.
    #[test]
    fn a_fleet_that_stands_still_says_so_first() {
        let mut overview = overview();
        overview.fleet.adopt_mode = Some(api::AdoptMode {
            adopted: 3,
            unknown_agents: 1,
            unknown_agent_ids: vec!["old-1".to_owned()],
            ..Default::default()
        });
        let text = overview.render(0, false, Screen::default());
        assert!(text.starts_with("Adopt mode: nothing is bought"), "{text}");
        assert!(text.contains("3 machines adopted; 1 agents beat unregistered (old-1)"), "{text}");
    }

    /// Without it the one screen would miss what an operator looks for first.
    #[test]
    fn the_screen_names_leader_voters_nodes_and_pools() {
        let text = overview().render(0, false, Screen::default());
        for part in [
            "Leader:    r2 (term 7, session 42)",
            "Voters:    2 of 3 heard from, 2 needed",
            "Nodes:     16 (15 active, 1 unhealthy)",
            "Breakers:  none",
            "training",
            "60s",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(
            Overview::default().render(0, false, Screen::default()).contains("Leader:    none")
        );
    }
}
