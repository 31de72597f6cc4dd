use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, Drain, FleetState, LogTime, Node};
use navarch_host::Moment;
use navarch_proto::fleet::{AcceptDrain, FinishDrain, RefuseDrain, proposal::Kind};

use super::{
    BUSY_PERIOD, IDLE_PERIOD, Notifiers,
    deliveries::{Deliveries, Lanes},
    notifiers::has_workloads,
    retries::Retries,
};
use crate::{
    leader::{Controller, Report, Tenure},
    notify::{DrainStatus, Notice, Notifier, NotifyError},
};

const NAME: &str = "drainer";
/// Calls to the workload system under way at once.
const CALLS: usize = 64;
/// Pause before the workload system is asked again about a node that it still empties.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long one pass waits for answers; later ones are taken up by the next pass, which sees to new drains
/// meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sees every drain to its end: tells the workload system, asks it until the node is drained, and gives up
/// at the drain's deadline. Without a workload system a drain is over at once.
pub(super) struct Drainer {
    notifiers: Arc<Notifiers>,
    calls: Deliveries<String, (Arc<Node>, Result<Answer, NotifyError>)>,
    /// When a node is told or asked about again. Dies with the session: a new leader tells at once, which is
    /// safe, since a notice may come twice.
    retries: Retries<String>,
}

/// What the workload system says of a drain.
#[derive(Debug)]
enum Answer {
    TookNotice,
    Status(DrainStatus),
}

impl Drainer {
    pub(super) fn new(notifiers: Arc<Notifiers>, lanes: Lanes<String>) -> Self {
        Self { notifiers, calls: Deliveries::new(lanes), retries: Retries::new() }
    }

    /// The drains that the workload system should be told of, or asked about.
    fn due(&self, fleet: &FleetState, now: Moment) -> VecDeque<Arc<Node>> {
        if !has_workloads(fleet) {
            return VecDeque::new();
        }
        let nodes = fleet.nodes_wanting_attention().filter(|node| {
            let id = node.id.as_str().to_owned();
            under_way(node).is_some()
                && !node.is_lost()
                && !self.calls.is_busy(&id)
                && self.retries.is_due(&id, now)
        });
        nodes.cloned().collect()
    }

    fn begin(&mut self, tenure: &Tenure, fleet: &FleetState, due: &mut VecDeque<Arc<Node>>) {
        while self.calls.count() < CALLS
            && let Some(node) = due.pop_front()
        {
            let notifier = self.notifiers.notifier(fleet);
            let tenure = tenure.clone();
            self.calls.begin(node.id.as_str().to_owned(), async move {
                let answer = call(&tenure, notifier, &node).await;
                (node, answer)
            });
        }
    }

    async fn conclude(
        &mut self,
        tenure: &Tenure,
        node: &Node,
        answer: Result<Answer, NotifyError>,
        report: &mut Report,
    ) {
        let id = node.id.as_str().to_owned();
        let now = tenure.ledger().clock().now();
        let told = is_told(node);
        let step = match answer {
            Ok(Answer::TookNotice) => accept(node),
            Ok(Answer::Status(DrainStatus { drained: true, message })) => {
                finish(node, &format!("the workload system says drained: {message}"))
            }
            Ok(Answer::Status(DrainStatus { drained: false, .. })) => {
                self.retries.rest(id, now + ASK_AGAIN);
                return;
            }
            Err(NotifyError::Refused(words)) if !told => refuse(node, &words),
            Err(error) => {
                let what = if told { "drain status" } else { "drain" };
                report.fail(format!("{what} of node {id} is tried again: {error}"));
                self.retries.failed(id, now);
                return;
            }
        };
        self.retries.forget(&id);
        let failed = report.failed;
        let _ = tenure.carry_out([step], report).await;
        // A workload system must not be told as fast as it answers.
        if report.failed > failed {
            self.retries.failed(id, now);
        }
    }
}

/// The drain of a node, if there is one that has not ended.
fn under_way(node: &Node) -> Option<Drain> {
    match node.administrative {
        Administrative::Draining(drain) => (!drain.drained).then_some(drain),
        Administrative::Active | Administrative::Cordoned | Administrative::Terminated => None,
    }
}

fn is_told(node: &Node) -> bool {
    under_way(node).is_some_and(|drain| drain.accepted)
}

/// The drains that end whatever the workload system says.
fn plan(fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
    let has_workloads = has_workloads(fleet);
    let ended =
        |node: &Arc<Node>| finished(node, has_workloads, now_ms).map(|why| finish(node, why));
    fleet.nodes_wanting_attention().filter_map(ended).collect()
}

fn finished(node: &Node, has_workloads: bool, now_ms: u64) -> Option<&'static str> {
    let drain = under_way(node)?;
    if node.is_lost() {
        return Some("the node is lost: nothing to wait for");
    }
    if !has_workloads {
        return Some("no workload system is configured: nothing to wait for");
    }
    let passed = drain.deadline.map(LogTime::as_ms).is_some_and(|deadline| deadline <= now_ms);
    let why = if drain.accepted {
        "the drain's deadline passed"
    } else {
        "the drain's deadline passed before the workload system took notice"
    };
    passed.then_some(why)
}

fn finish(node: &Node, why: &str) -> Kind {
    // What the drain was for stays to be read.
    let reason = match &*node.administrative_reason {
        "" => why.to_owned(),
        cause => format!("{cause}; {why}"),
    };
    Kind::FinishDrain(FinishDrain {
        node_id: node.id.as_str().to_owned(),
        reason,
        node_revision: node.revision.0,
    })
}

fn accept(node: &Node) -> Kind {
    Kind::AcceptDrain(AcceptDrain {
        node_id: node.id.as_str().to_owned(),
        node_revision: node.revision.0,
    })
}

fn refuse(node: &Node, words: &str) -> Kind {
    Kind::RefuseDrain(RefuseDrain {
        node_id: node.id.as_str().to_owned(),
        reason: format!("the workload system refused the drain: {words}"),
        node_revision: node.revision.0,
    })
}

/// Tells the workload system of a drain, or asks it about one that it knows.
async fn call(
    tenure: &Tenure,
    notifier: Result<Arc<dyn Notifier>, NotifyError>,
    node: &Node,
) -> Result<Answer, NotifyError> {
    let notifier = notifier?;
    tenure.confirm().map_err(|doubt| NotifyError::Failed(doubt.to_string()))?;
    if is_told(node) {
        return notifier.drain_status(node.id.as_str()).await.map(Answer::Status);
    }
    let notice = Notice {
        node_id: node.id.as_str().to_owned(),
        reason: node.administrative_reason.to_string(),
        at_ms: tenure.now_ms(),
    };
    notifier.drain(&notice).await.map(|()| Answer::TookNotice)
}

#[async_trait]
impl Controller for Drainer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        let waits = fleet.nodes_wanting_attention().any(|node| under_way(node).is_some());
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
        let fleet = tenure.view().fleet;
        let clock = tenure.ledger().clock().clone();
        let until = clock.now() + PATIENCE;
        let mut due = self.due(&fleet, clock.now());
        // Before any drain ends: one whose deadline is now is told as well.
        self.begin(tenure, &fleet, &mut due);
        let _ = tenure.carry_out(plan(&fleet, tenure.now_ms()), &mut report).await;
        while let Some((_, (node, answer))) = self.calls.next(&clock, until).await {
            self.conclude(tenure, &node, answer, &mut report).await;
            self.begin(tenure, &fleet, &mut due);
        }
        self.retries.retain(|id| fleet.node(id).is_some_and(|node| under_way(node).is_some()));
        report
    }
}

#[cfg(test)]
#[path = "drainer_test.rs"]
mod tests;
