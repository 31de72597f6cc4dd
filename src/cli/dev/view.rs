use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::child::Notice;
use crate::cli::{
    output::Screen,
    overview::{Overview, counts},
};

/// Lines of news under a live screen.
const NEWS: usize = 10;

/// Clears the terminal and goes to its top left.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// What a person is told while the group runs: a live screen on a terminal, else a line for each change.
pub(super) struct View {
    header: String,
    live: Option<Screen>,
    /// Whether the live screen has taken over from the lines of the start.
    drawn: bool,
    news: VecDeque<String>,
    before: Glance,
}

/// The part of the fleet's state whose changes are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Glance {
    leader: Option<String>,
    nodes: String,
    pools: BTreeMap<String, String>,
    breakers: Vec<String>,
}

impl View {
    /// A view under `header`; live on a screen with a width.
    pub(super) fn new(header: String, screen: Screen) -> Self {
        Self {
            header,
            live: screen.width.map(|_| screen),
            drawn: false,
            news: VecDeque::new(),
            before: Glance::default(),
        }
    }

    /// What to write for a line of news: the line itself, or nothing until the screen is drawn again.
    pub(super) fn news(&mut self, line: String) -> String {
        let text = if self.drawn { String::new() } else { format!("{line}\n") };
        if self.live.is_some() {
            self.news.push_back(line);
            self.news.drain(..self.news.len().saturating_sub(NEWS));
        }
        text
    }

    /// What to write after a look at the group.
    pub(super) fn looked(&mut self, overview: &Overview, now_ms: u64) -> String {
        let glance = Glance::of(overview);
        let lines = glance.changes_since(&self.before);
        self.before = glance;
        let text: String = lines.into_iter().map(|line| self.news(line)).collect();
        match self.live {
            Some(screen) => {
                self.drawn = true;
                let news: Vec<_> = self.news.iter().map(String::as_str).collect();
                // Control loops would push the news off a small terminal; `navarch status` shows them.
                let mut shown = overview.clone();
                shown.fleet.controllers.clear();
                let status = shown.render(now_ms, false, screen);
                format!("{CLEAR}{}\n\n{status}\n\n{}\n", self.header, news.join("\n"))
            }
            None => text,
        }
    }

    /// What to write when nobody answered.
    pub(super) fn unanswered(&mut self) -> String {
        if self.before.leader.take().is_none() {
            return String::new();
        }
        self.news("no leader answers".to_owned())
    }
}

impl Glance {
    fn of(overview: &Overview) -> Self {
        let pool = |pool: &navarch_proto::api::PoolInfo| {
            let mut line = format!(
                "{} of {} running, {} healthy",
                pool.running, pool.target, pool.healthy_nodes
            );
            if !pool.held_reason.is_empty() {
                line.push_str(&format!(" (held: {})", pool.held_reason));
            }
            (pool.name.clone(), line)
        };
        Self {
            leader: overview
                .leader()
                .map(|leader| format!("{} (term {})", leader.name, leader.term)),
            nodes: counts(&overview.fleet.nodes_by_status, "NODE_STATUS"),
            pools: overview.fleet.pools.iter().map(pool).collect(),
            breakers: overview.fleet.breakers.clone(),
        }
    }

    fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.leader != before.leader {
            let leader = self.leader.as_deref().unwrap_or("none");
            lines.push(format!("leader: {leader}"));
        }
        for (name, line) in &self.pools {
            if before.pools.get(name) != Some(line) {
                lines.push(format!("pool {name}: {line}"));
            }
        }
        let gone = before.pools.keys().filter(|name| !self.pools.contains_key(*name));
        lines.extend(gone.map(|name| format!("pool {name}: removed")));
        if self.nodes != before.nodes {
            lines.push(format!("nodes: {}", self.nodes));
        }
        if self.breakers != before.breakers {
            let breakers = self.breakers.join("; ");
            let shown = if breakers.is_empty() { "none" } else { &breakers };
            lines.push(format!("breakers: {shown}"));
        }
        lines
    }
}

/// A notice as a line.
pub(super) fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::Started { name, pid } => format!("{name} started (pid {pid})"),
        Notice::Unstartable { name, reason } => format!("{name} cannot be started: {reason}"),
        Notice::Ended { name, how, restart: Some(wait) } => {
            format!("{name} {how}; it is started again in {}", seconds(*wait))
        }
        Notice::Ended { name, how, restart: None } => {
            format!("{name} {how}; it is not started again (--restart-after 0)")
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{duration:?}")
}

#[cfg(test)]
mod tests {
    use navarch_proto::api;

    use super::*;

    fn overview(leader_id: u64, running: u32) -> Overview {
        let replica = |id: u64| api::ReplicaInfo {
            id,
            name: format!("r{id}"),
            term: 3,
            voter: true,
            ..Default::default()
        };
        Overview {
            fleet: api::GetFleetStatusResponse {
                nodes_by_status: [("NODE_STATUS_ACTIVE".to_owned(), running)].into(),
                pools: vec![api::PoolInfo {
                    name: "training".to_owned(),
                    target: 16,
                    running,
                    healthy_nodes: running,
                    ..Default::default()
                }],
                ..Default::default()
            },
            group: api::ListReplicasResponse {
                replicas: vec![replica(1), replica(2)],
                leader_id,
                ..Default::default()
            },
        }
    }

    /// Without it a log of `dev` would repeat itself every second, or miss a failover.
    #[test]
    fn plain_lines_tell_changes_only() {
        let mut view = View::new(String::new(), Screen::default());
        assert_eq!(
            view.looked(&overview(1, 0), 0),
            "leader: r1 (term 3)\npool training: 0 of 16 running, 0 healthy\nnodes: 0\n"
        );
        assert_eq!(view.looked(&overview(1, 0), 0), "");
        assert_eq!(view.unanswered(), "no leader answers\n");
        assert_eq!(view.unanswered(), "");
        assert_eq!(view.looked(&overview(2, 0), 0), "leader: r2 (term 3)\n");
        let grown = view.looked(&overview(2, 16), 0);
        assert_eq!(grown, "pool training: 16 of 16 running, 16 healthy\nnodes: 16 (16 active)\n");
    }

    /// Without it a person at a terminal would not see that a replica was killed.
    #[test]
    fn the_live_screen_keeps_the_news() {
        let screen = Screen { width: Some(100), colour: false };
        let mut view = View::new("header".to_owned(), screen);
        let notice = Notice::Ended {
            name: "r2".to_owned(),
            how: "was killed by signal 9".to_owned(),
            restart: Some(Duration::from_secs(5)),
        };
        assert!(view.news("r1 serves".to_owned()).starts_with("r1 serves"));
        view.looked(&overview(1, 0), 0);
        assert_eq!(view.news(notice_line(&notice)), "");
        let text = view.looked(&overview(1, 3), 0);
        assert!(text.starts_with(CLEAR) && text.contains("header"), "{text}");
        assert!(text.contains("r2 was killed by signal 9; it is started again in 5s"), "{text}");
        for number in 0..100 {
            view.news(number.to_string());
        }
        assert_eq!(view.news.len(), NEWS);
    }
}
