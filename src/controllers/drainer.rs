use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, FleetState, LogTime, Node};
use navarch_proto::fleet::{FinishDrain, proposal::Kind};

use super::{BUSY_PERIOD, IDLE_PERIOD};
use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "drainer";

/// Ends drains: the `noop` notifier says drained at once, and a deadline ends any other wait.
pub(super) struct Drainer;

fn plan(fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
    let notifier = fleet.settings().notifier.as_ref().map_or("noop", |one| one.r#type.as_str());
    fleet
        .nodes_wanting_attention()
        .filter_map(|node| {
            let why = finished(node, notifier, now_ms)?;
            // What the drain was for stays to be read.
            let reason = match &*node.administrative_reason {
                "" => why,
                cause => format!("{cause}; {why}"),
            };
            Some(Kind::FinishDrain(FinishDrain {
                node_id: node.id.as_str().to_owned(),
                reason,
                node_revision: node.revision.0,
            }))
        })
        .collect()
}

fn finished(node: &Node, notifier: &str, now_ms: u64) -> Option<String> {
    let Administrative::Draining(drain) = node.administrative else { return None };
    if drain.drained {
        return None;
    }
    if node.is_lost() {
        return Some("the node is lost: nothing to wait for".to_owned());
    }
    if notifier != "webhook" {
        return Some("no workload system is configured: nothing to wait for".to_owned());
    }
    let passed = drain.deadline.map(LogTime::as_ms).is_some_and(|deadline| deadline <= now_ms);
    passed.then(|| "the drain's deadline passed".to_owned())
}

#[async_trait]
impl Controller for Drainer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        let drains = |node: &Arc<Node>| match node.administrative {
            Administrative::Draining(drain) => !drain.drained,
            Administrative::Active | Administrative::Cordoned | Administrative::Terminated => false,
        };
        let waits = fleet.nodes_wanting_attention().any(drains);
        if waits { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["node-draining"]
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let steps = plan(&tenure.view().fleet, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "drainer_test.rs"]
mod tests;
