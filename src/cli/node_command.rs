use std::time::Duration;

use clap::{Args, Subcommand};
use navarch_proto::api;

use super::{
    choices::{self, CommandTypeChoice, parse_pair, short},
    failure::{Failure, FailureKind},
    invocation::Invocation,
    issue::Order,
    output::{Record as _, message_value},
};
use crate::client::rpc::{GetCommand, ListCommands};

/// How often the result of a command is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `navarch command ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeOrderCommand {
    /// Order something of a node
    Send(SendArguments),
    /// List a node's commands, oldest first
    List {
        /// The node
        node_id: String,
    },
}

/// `navarch command send NODE TYPE [k=v...]`
#[derive(Clone, Debug, Args)]
pub(crate) struct SendArguments {
    /// The node
    node_id: String,
    /// What it should do
    #[arg(value_enum, ignore_case = true)]
    kind: CommandTypeChoice,
    /// Parameters of the command
    #[arg(value_name = "K=V", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,
    /// Wait until the node has done it; --timeout limits the wait where it is given
    #[arg(long)]
    wait: bool,
}

impl NodeOrderCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Send(arguments) => send(arguments, invocation).await,
            Self::List { node_id } => {
                let what = format!("list the commands of node {node_id}");
                let empty = format!("no commands for node {node_id}");
                let request = api::ListCommandsRequest { node_id };
                let answer = invocation.call::<ListCommands>(&what, request).await?;
                invocation.printer.list(&answer.commands, &empty)
            }
        }
    }
}

async fn send(arguments: SendArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let order = Order {
        node_id: arguments.node_id,
        kind: arguments.kind,
        parameters: choices::pairs(&arguments.parameters),
    };
    let answer = order.send(invocation).await?;
    let id = answer.command_id.clone();
    if !arguments.wait {
        let text =
            format!("command {id} ({}) is issued to node {}", order.kind_name(), order.node_id);
        return invocation.printer.result(&text, &id, &order.value(&answer)?);
    }
    let command = outcome(&id, invocation).await?;
    let state = short(command.state().as_str_name(), "COMMAND_STATE");
    let text = format!("command {id} on node {}: {state}\n{}", order.node_id, command.output);
    let value = message_value(api::CommandInfo::MESSAGE, &command)?;
    invocation.printer.result(text.trim_end(), &id, &value)?;
    if command.state() == api::CommandState::Succeeded {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "command {id} on node {} {state}: {}",
        order.node_id, command.error
    ))
    .help(format!("`navarch command list {}` shows its history", order.node_id)))
}

/// Waits until the command is finished; without a limit of the person's, as long as it takes.
async fn outcome(id: &str, invocation: &Invocation) -> Result<api::CommandInfo, Failure> {
    let client = invocation.client()?;
    let started = invocation.clock.now();
    loop {
        let request = api::GetCommandRequest { command_id: id.to_owned() };
        let what = format!("read command {id}");
        let answer = invocation.call_on::<GetCommand>(&client, &what, request).await?;
        let command = answer.command.unwrap_or_default();
        if finished(command.state()) {
            return Ok(command);
        }
        let waited = invocation.clock.now().since(started);
        if invocation.settings.timeout_given && waited >= invocation.settings.timeout {
            let message = format!("command {id} is not finished after {waited:.1?}; it goes on");
            let help = format!("`navarch command list {}` shows how it ends", command.node_id);
            return Err(Failure::new(FailureKind::TimedOut, message).help(help));
        }
        invocation.clock.sleep(LOOK_EVERY).await;
    }
}

fn finished(state: api::CommandState) -> bool {
    match state {
        api::CommandState::Unknown | api::CommandState::Queued | api::CommandState::Delivered => {
            false
        }
        api::CommandState::Succeeded | api::CommandState::Failed | api::CommandState::Expired => {
            true
        }
    }
}
