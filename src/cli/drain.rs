use std::time::Duration;

use clap::Args;
use navarch_host::Moment;
use navarch_proto::api;

use super::{
    choices::CommandTypeChoice,
    duration,
    failure::{Failure, FailureKind},
    get,
    invocation::Invocation,
    issue::Order,
    output::message,
};
use crate::{
    client::{Client, rpc::ListEvents},
    config::format_millis,
};

/// How often the journal is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Events read at a time.
const PAGE: u32 = 1_000;

/// `navarch drain ID`
#[derive(Clone, Debug, Args)]
pub(crate) struct DrainArguments {
    /// The node whose work should move elsewhere
    node_id: String,
    /// Wait until the node is drained; --timeout limits the wait where it is given
    #[arg(long)]
    wait: bool,
    /// When the drain ends even if work is left; 0s: never [default: 1h]
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    deadline: Option<Duration>,
    /// Why; kept with the node and in the journal
    #[arg(long)]
    reason: Option<String>,
}

impl DrainArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let node = self.node_id.as_str();
        let mut order = Order::new(node, CommandTypeChoice::Drain, self.reason);
        if let Some(deadline) = self.deadline {
            let deadline = format_millis(duration::millis(deadline));
            order.parameters.insert("deadline".to_owned(), deadline);
        }
        if !self.wait {
            return order.run(invocation, &format!("node {node} is draining")).await;
        }
        let answer = order.send(invocation).await?;
        message(&format!("node {node} is draining; waiting until it is drained"));
        let ended = Watch::new(node, invocation)?.until_ended(invocation).await?;
        match ended {
            Stage::Drained | Stage::Gone => {
                let value = order.value(&answer)?;
                let text = format!("node {node} is {}", ended.name());
                invocation.printer.result(&text, node, &value)
            }
            Stage::Refused | Stage::TakenBack | Stage::Draining => {
                let message =
                    format!("node {node} was not drained: the drain was {}", ended.name());
                let help = format!("`navarch events --subject node/{node}` shows who did what");
                Err(Failure::refused(message).help(help))
            }
        }
    }
}

/// How far a drain has come, as the journal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Draining,
    Drained,
    Refused,
    TakenBack,
    Gone,
}

impl Stage {
    /// The stage that an event of the node's leads to, if it says anything about a drain.
    fn after(kind: &str) -> Option<Self> {
        match kind {
            "node-draining" => Some(Self::Draining),
            "node-drained" => Some(Self::Drained),
            "node-drain-refused" => Some(Self::Refused),
            "node-uncordoned" | "node-cordoned" => Some(Self::TakenBack),
            "node-terminated" | "node-forgotten" => Some(Self::Gone),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Draining => "still under way",
            Self::Drained => "drained",
            Self::Refused => "refused by the workload system",
            Self::TakenBack => "taken back",
            Self::Gone => "terminated",
        }
    }
}

/// Follows one node's drain through the journal.
struct Watch {
    client: Client,
    node: String,
    since: u64,
    stage: Stage,
    started: Moment,
}

impl Watch {
    fn new(node: &str, invocation: &Invocation) -> Result<Self, Failure> {
        Ok(Self {
            client: invocation.client()?,
            node: node.to_owned(),
            since: 0,
            stage: Stage::Draining,
            started: invocation.clock.now(),
        })
    }

    async fn until_ended(mut self, invocation: &Invocation) -> Result<Stage, Failure> {
        loop {
            self.read_on(invocation).await?;
            if self.stage != Stage::Draining {
                return Ok(self.stage);
            }
            // The journal forgets; the node itself does not.
            let node = get::fetch(invocation, &self.node).await?;
            if node.status() == api::NodeStatus::Terminated {
                return Ok(Stage::Gone);
            }
            let waited = invocation.clock.now().since(self.started);
            if invocation.settings.timeout_given && waited >= invocation.settings.timeout {
                let message = format!(
                    "node {} is not drained after {waited:.1?}; the drain goes on",
                    self.node
                );
                let help = format!("`navarch drain {} --wait` waits again", self.node);
                return Err(Failure::new(FailureKind::TimedOut, message).help(help));
            }
            invocation.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Reads what the journal has on the node since the last look.
    async fn read_on(&mut self, invocation: &Invocation) -> Result<(), Failure> {
        loop {
            let request = api::ListEventsRequest {
                since: self.since,
                subject: format!("node/{}", self.node),
                limit: PAGE,
            };
            let answer =
                invocation.call_on::<ListEvents>(&self.client, "read the journal", request).await?;
            let Some(last) = answer.events.last() else {
                return Ok(());
            };
            self.since = last.index;
            let mut stages = answer.events.iter().filter_map(|event| Stage::after(&event.kind));
            self.stage = stages.next_back().unwrap_or(self.stage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it `--wait` could hang on a finished drain, or call a refused one done.
    #[test]
    fn the_journal_tells_how_a_drain_ended() {
        let stage = |kinds: &[&str]| kinds.iter().filter_map(|kind| Stage::after(kind)).next_back();
        assert_eq!(stage(&["node-registered"]), None);
        assert_eq!(
            stage(&["node-drained", "node-uncordoned", "node-draining", "node-drain-accepted"]),
            Some(Stage::Draining)
        );
        assert_eq!(stage(&["node-draining", "node-drained", "node-lost"]), Some(Stage::Drained));
        assert_eq!(stage(&["node-draining", "node-drain-refused"]), Some(Stage::Refused));
    }
}
