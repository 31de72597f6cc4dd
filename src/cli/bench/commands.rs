use std::{sync::Arc, time::Duration};

use clap::Args;
use navarch_host::{Clock, TaskHandle};
use navarch_proto::api;

use super::{
    heartbeats::{node_id, register},
    load::{Load, Schedule, Spacing},
};
use crate::{
    cli::{duration, failure::Failure, invocation::Invocation, output::message},
    client::{
        CallError, CallOptions, Client,
        rpc::{AckCommand, GetCommand, IssueCommand, PollCommands},
    },
};

/// Nodes at most: each has a poll open, and replicas take about two hundred calls on each of eight connections.
const MOST_NODES: usize = 4_000;
/// Commands under way at a time; when all are, the next ones wait, and their latency counts the wait.
const COMMANDS: usize = 64;
/// How long a poll waits for a command.
const POLL: Duration = Duration::from_secs(30);
/// After a failed poll.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at a command.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long agents have to begin to wait.
const SETTLE: Duration = Duration::from_secs(2);

/// `navarch bench commands`
#[derive(Clone, Debug, Args)]
pub(crate) struct CommandsArguments {
    /// Nodes whose agents wait for commands, at most 4,000
    #[arg(long, default_value_t = 500, value_parser = nodes)]
    nodes: usize,
    /// Commands a second, each to the next node
    #[arg(long, default_value_t = 20, value_parser = super::count)]
    rate: usize,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = duration::parse_positive)]
    duration: Duration,
    /// HTTP/2 connections to each replica [default: 8]
    #[arg(long, value_parser = super::count)]
    connections: Option<usize>,
}

impl CommandsArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let load = Load::new(invocation, self.nodes + COMMANDS, self.connections)?;
        let nodes = self.nodes as u64;
        register(&load, nodes).await?;
        let agents = start_agents(&load, nodes, invocation);
        invocation.clock.sleep(SETTLE).await;
        let spacing = Spacing { interval: Duration::from_secs(1), parts: self.rate as u64 };
        let schedule =
            Schedule { total: spacing.within(self.duration), spacing, in_flight: COMMANDS };
        message(&format!("sending {} commands in {:?}", schedule.total, self.duration));
        let sender = Arc::new(Sender {
            client: load.client().clone(),
            options: load.options().clone(),
            clock: invocation.clock.clone(),
        });
        let took = load
            .open_loop_of(schedule, move |number| {
                let sender = Arc::clone(&sender);
                async move { sender.send(node_id(number % nodes)).await }
            })
            .await;
        agents.iter().for_each(TaskHandle::abort);
        let report = load.measure().report("commands", self.nodes, took);
        load.finish(&report, invocation)
    }
}

/// One agent for each node, which waits for commands and acknowledges them at once.
fn start_agents(load: &Load, nodes: u64, invocation: &Invocation) -> Vec<TaskHandle> {
    let agents = (0..nodes).map(|number| {
        let (client, clock, stop) =
            (load.client().clone(), invocation.clock.clone(), load.stop().clone());
        invocation.spawner.spawn("bench agent", async move {
            stop.run_until_cancelled(obey(&client, &clock, &node_id(number))).await;
        })
    });
    agents.collect()
}

async fn obey(client: &Client, clock: &Clock, node: &str) {
    let options = CallOptions::within(POLL);
    loop {
        let request = api::PollCommandsRequest { node_id: node.to_owned() };
        let Ok(answer) = client.call::<PollCommands>(request, &options).await else {
            clock.sleep(PAUSE).await;
            continue;
        };
        for command in answer.message.commands {
            let acknowledgement = api::AckCommandRequest {
                node_id: node.to_owned(),
                command_id: command.command_id,
                result: api::CommandResult::Succeeded.into(),
                output: "done".to_owned(),
                error: String::new(),
            };
            // What is not acknowledged is delivered again.
            let _ = client.call::<AckCommand>(acknowledgement, &options).await;
        }
    }
}

struct Sender {
    client: Client,
    options: CallOptions,
    clock: Clock,
}

impl Sender {
    /// Issues a command and looks at it until it has ended.
    async fn send(&self, node_id: String) -> Result<(), CallError> {
        let command_type = api::NodeCommandType::RunDiagnostic.into();
        let request =
            api::IssueCommandRequest { node_id, command_type, parameters: Default::default() };
        let issued = self.client.call::<IssueCommand>(request, &self.options).await?;
        loop {
            let request = api::GetCommandRequest { command_id: issued.message.command_id.clone() };
            let answer = self.client.call::<GetCommand>(request, &self.options).await?;
            let command = answer.message.command.unwrap_or_default();
            if command.finished_at.is_some() {
                return Ok(());
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

fn nodes(text: &str) -> Result<usize, String> {
    match super::count(text)? {
        count if count <= MOST_NODES => Ok(count),
        _ => Err(format!("`{text}` is no number from 1 to {MOST_NODES}")),
    }
}
