use clap::{Args, ValueEnum};
use navarch_proto::api;

use super::{
    failure::Failure,
    invocation::Invocation,
    output::{Format, message_value},
};
use crate::client::rpc::Explain;

/// `navarch explain KIND NAME`
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArguments {
    /// What it is
    kind: Kind,
    /// Its name or id
    name: String,
}

/// What can be explained.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Pool,
    Node,
    Instance,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Node => "node",
            Self::Instance => "instance",
        }
    }
}

impl ExplainArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let (kind, name) = (self.kind.word(), self.name);
        let subject = format!("{kind}/{name}");
        let request = api::ExplainRequest { subject: subject.clone() };
        let what = format!("explain {kind} {name}");
        let explained = invocation.call::<Explain>(&what, request).await?;
        let printer = &mut invocation.printer;
        match printer.format() {
            Format::Json | Format::Yaml => {
                printer.value(&message_value("navarch.ExplainResponse", &explained)?)
            }
            Format::Name => printer.line(&subject),
            Format::Table | Format::Wide => printer.line(&text(&explained)),
        }
    }
}

/// Lines for a person: what weighs most first.
fn text(explained: &api::ExplainResponse) -> String {
    let mut lines = vec![format!("{}: {}", explained.subject, explained.summary)];
    lines.extend(pairs(&explained.findings));
    if !explained.inputs.is_empty() {
        let again = match explained.reproduced {
            Some(true) => "the strategy decides the same from them again",
            Some(false) => "the strategy, changed since, would decide otherwise",
            None => "not made again by this replica",
        };
        lines.push(String::new());
        lines.push(format!("last decision's inputs ({again}):"));
        lines.extend(pairs(&explained.inputs));
    }
    if !explained.events.is_empty() {
        lines.push(String::new());
        lines.push("journal:".to_owned());
        lines.extend(explained.events.iter().map(event));
    }
    lines.join("\n")
}

fn pairs(findings: &[api::Finding]) -> Vec<String> {
    let width = findings.iter().map(|one| one.topic.len()).max().unwrap_or(0);
    findings.iter().map(|one| format!("  {:width$}  {}", one.topic, one.text)).collect()
}

fn event(event: &api::FleetEvent) -> String {
    let at = event.time.map(|at| at.to_string()).unwrap_or_default();
    let reason = if event.reason.is_empty() { "-" } else { &event.reason };
    format!("  {}  {at}  {}  {}  {reason}", event.index, event.kind, event.actor)
}
