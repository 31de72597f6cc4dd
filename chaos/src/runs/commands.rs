use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use clap::Args;
use navarch::{
    client::{
        CallOptions, Client,
        rpc::{GetNode, IssueCommand, ListCommands},
    },
    config::parse_duration,
};
use navarch_proto::api;
use serde::Serialize;

use super::progress;
use crate::{
    error::ChaosError,
    evidence::{Evidence, Receipt},
    host::Host,
    invariants,
    proc::{Agents, FleetFile, Group, GroupOptions},
    report::Report,
    wait::until,
};

/// Limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// How long agents may take to register.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Commands that wait for one node at most: a group takes no more than a hundred.
const MOST_OPEN: usize = 20;
/// Of each hundred answers so many are lost.
const LOST_PERCENT: u64 = 50;

/// `navarch-chaos commands`
#[derive(Args, Clone, Copy, Debug)]
pub struct CommandsOptions {
    /// Agents, each a process
    #[arg(long, default_value_t = 4)]
    pub agents: usize,
    /// Commands for each of them, at most 100: a group keeps the results of so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub commands: u32,
    /// How long they may take
    #[arg(long, default_value = "20m", value_parser = parse_duration)]
    pub limit: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CommandsReport {
    /// Agents.
    pub agents: usize,
    /// Commands that were issued.
    pub commands: usize,
    /// Those that were executed once.
    pub once: usize,
    /// Those that were executed more than once.
    pub more: usize,
    /// Those that never were.
    pub never: usize,
    /// Those whose result was recorded: succeeded, with the output of their own execution.
    pub recorded: usize,
    /// Answers to agents that came back.
    pub answers: u64,
    /// Answers to agents that were lost.
    pub lost: u64,
    /// How long all took, seconds.
    pub took_s: f64,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has real agents carry commands out while half of all answers to them are lost.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn commands(
    host: &Host,
    group: GroupOptions,
    options: CommandsOptions,
) -> Result<CommandsReport, ChaosError> {
    let program = group.program.clone();
    let server = ["heartbeat_interval: 1s", "heartbeat_timeout: 10m", "health_check_interval: 5s"];
    let fleet = FleetFile { server: server.map(str::to_owned).into(), sections: String::new() };
    let group = Group::start(host, GroupOptions { fleet, ..group }).await?;
    let script = group.directory().join("receipt.sh");
    let text = "echo \"$NAVARCH_COMMAND_ID\" >> \"$1\"\necho \"receipt of $NAVARCH_COMMAND_ID\"\n";
    fs::write(&script, text).map_err(ChaosError::system("write the diagnostic"))?;
    let arguments = |directory: &Path| {
        let (script, receipts) = (script.display(), receipts(directory));
        let diagnostic = format!("receipt=/bin/sh {script} {}", receipts.display());
        ["--fake-gpus", "1", "--diagnostic", &diagnostic].map(str::to_owned).into()
    };
    let (count, witness) = (options.agents, Arc::new(|_| ()));
    let mut agents = Agents::lay_out(host, (&group, &program), count, witness, arguments).await?;
    agents.start()?;
    let client = group.client()?;
    for agent in agents.all() {
        until_registered(host, &client, &agent.node_id).await?;
    }
    agents.lose(LOST_PERCENT);
    let began = host.clock.now();
    let issued = issue_all(host, &client, &agents, options).await?;
    let results = until_finished(host, &client, &agents, options).await?;
    let took = host.clock.now().since(began);
    let executed = executions(&agents)?;
    let mut report = judged(&issued, &results, &executed);
    report.agents = options.agents;
    report.took_s = took.as_secs_f64();
    (report.answers, report.lost) = agents.answers();
    Ok(report)
}

fn receipts(directory: &Path) -> std::path::PathBuf {
    directory.join("receipts")
}

async fn until_registered(host: &Host, client: &Client, node_id: &str) -> Result<(), ChaosError> {
    until(host, "the registration of an agent", START_LIMIT, || async {
        let request = api::GetNodeRequest { node_id: node_id.to_owned() };
        let answer = client.call::<GetNode>(request, &CallOptions::within(CALL_LIMIT)).await;
        answer.map(drop).map_err(|error| error.to_string())
    })
    .await
}

/// Issues all commands, past the proxies; their ids and nodes.
async fn issue_all(
    host: &Host,
    client: &Client,
    agents: &Agents,
    options: CommandsOptions,
) -> Result<BTreeMap<String, String>, ChaosError> {
    let mut issued = BTreeMap::new();
    for number in 0..options.commands {
        for agent in agents.all() {
            let node_id = &agent.node_id;
            until(host, "a place among a node's commands", options.limit, || async {
                let open = list(client, node_id).await.map_err(|error| error.to_string())?;
                let open = open.iter().filter(|command| !finished(command)).count();
                if open < MOST_OPEN { Ok(()) } else { Err(format!("{open} wait for {node_id}")) }
            })
            .await?;
            let request = api::IssueCommandRequest {
                node_id: node_id.clone(),
                command_type: api::NodeCommandType::RunDiagnostic.into(),
                parameters: [("name".to_owned(), "receipt".to_owned())].into(),
            };
            let options = CallOptions::within(CALL_LIMIT);
            let answer = client.call::<IssueCommand>(request, &options).await;
            let answer = answer.map_err(ChaosError::call("issue a command"))?.message;
            issued.insert(answer.command_id, node_id.clone());
        }
        if number % 10 == 9 {
            let all = options.commands as usize * agents.all().len();
            progress::say(issued.len(), all, "commands issued");
        }
    }
    Ok(issued)
}

async fn list(client: &Client, node_id: &str) -> Result<Vec<api::CommandInfo>, ChaosError> {
    let request = api::ListCommandsRequest { node_id: node_id.to_owned() };
    let answer = client.call::<ListCommands>(request, &CallOptions::within(CALL_LIMIT)).await;
    Ok(answer.map_err(ChaosError::call("list commands"))?.message.commands)
}

fn finished(command: &api::CommandInfo) -> bool {
    match command.state() {
        api::CommandState::Unknown | api::CommandState::Queued | api::CommandState::Delivered => {
            false
        }
        api::CommandState::Succeeded | api::CommandState::Failed | api::CommandState::Expired => {
            true
        }
    }
}

/// What the group says of all commands once they have ended, or when the time is over.
async fn until_finished(
    host: &Host,
    client: &Client,
    agents: &Agents,
    options: CommandsOptions,
) -> Result<Vec<api::CommandInfo>, ChaosError> {
    let end = host.clock.now() + options.limit;
    loop {
        let mut all = Vec::new();
        for agent in agents.all() {
            all.extend(list(client, &agent.node_id).await?);
        }
        if all.iter().all(finished) || host.clock.now() >= end {
            return Ok(all);
        }
        host.clock.sleep(Duration::from_millis(200)).await;
    }
}

/// How often each command left a receipt.
fn executions(agents: &Agents) -> Result<BTreeMap<String, usize>, ChaosError> {
    let mut executed = BTreeMap::new();
    for agent in agents.all() {
        let text = fs::read_to_string(receipts(&agent.directory));
        let text = text.map_err(ChaosError::system("read the receipts"))?;
        for id in text.lines() {
            *executed.entry(id.to_owned()).or_default() += 1;
        }
    }
    Ok(executed)
}

fn judged(
    issued: &BTreeMap<String, String>,
    results: &[api::CommandInfo],
    executed: &BTreeMap<String, usize>,
) -> CommandsReport {
    let receipt = |(id, executions): (&String, &usize)| Receipt {
        node_id: issued.get(id).cloned().unwrap_or_default(),
        command_id: id.clone(),
        executions: u32::try_from(*executions).unwrap_or(u32::MAX),
        ..Receipt::default()
    };
    let evidence = Evidence {
        commands: results.to_vec(),
        receipts: Some(executed.iter().map(receipt).collect()),
        ..Evidence::default()
    };
    let records = invariants::judge(&[&invariants::CommandsOnce], &evidence);
    let mut report = CommandsReport {
        commands: issued.len(),
        violations: invariants::complaints(&records),
        ..CommandsReport::default()
    };
    let results: BTreeMap<_, _> =
        results.iter().map(|result| (result.command_id.as_str(), result)).collect();
    for (id, node) in issued {
        let times = executed.get(id).copied().unwrap_or(0);
        match times {
            0 => report.never += 1,
            1 => report.once += 1,
            _ => report.more += 1,
        }
        let result = results.get(id.as_str());
        let recorded = result.is_some_and(|result| {
            result.state() == api::CommandState::Succeeded
                && result.output == format!("receipt of {id}\n")
        });
        report.recorded += usize::from(recorded);
        if !recorded {
            let told = result.map(|it| (it.state(), &it.output, &it.error));
            report.violations.push(format!("the result of command {id} of {node} is {told:?}"));
        }
    }
    let strangers = executed.keys().filter(|id| !issued.contains_key(*id));
    report.violations.extend(strangers.map(|id| format!("nobody issued the executed {id}")));
    report
}

impl Report for CommandsReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("agents", self.agents.to_string()),
            row("commands", self.commands.to_string()),
            row("executed once", self.once.to_string()),
            row("executed more than once", self.more.to_string()),
            row("never executed", self.never.to_string()),
            row("results recorded", self.recorded.to_string()),
            row(
                "answers to agents, lost",
                format!("{} of {}", self.lost, self.answers + self.lost),
            ),
            row("took", format!("{:.1} s", self.took_s)),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str, state: api::CommandState) -> api::CommandInfo {
        api::CommandInfo {
            command_id: id.to_owned(),
            state: state.into(),
            output: format!("receipt of {id}\n"),
            ..api::CommandInfo::default()
        }
    }

    /// Without it a command that ran twice, never, or without a result would pass.
    #[test]
    fn anything_but_once_with_its_result_is_a_violation() {
        use api::CommandState::{Failed, Succeeded};
        let issued = ["a", "b", "c", "d"].map(|id| (id.to_owned(), "n".to_owned())).into();
        let executed = [("a".to_owned(), 1), ("b".to_owned(), 2), ("d".to_owned(), 1)].into();
        let results = [result("a", Succeeded), result("b", Succeeded), result("d", Failed)];
        let report = judged(&issued, &results, &executed);
        assert_eq!((report.once, report.more, report.never, report.recorded), (2, 1, 1, 2));
        assert_eq!(report.violations.len(), 3, "{:?}", report.violations);
        let executed = [("x".to_owned(), 1)].into();
        assert_eq!(judged(&BTreeMap::new(), &[], &executed).violations.len(), 1);
    }
}
