use std::{sync::Arc, time::Duration};

use navarch::client::{
    CallOptions,
    rpc::{AckCommand, IssueCommand, ListCommands},
};
use navarch_chaos::{
    proc::{Agents, Group},
    report::Report as _,
    runs, until,
};
use navarch_proto::api::{self, CommandState};

use crate::{LIMIT, Turn, group};

/// Without it a lost answer could have a command carried out twice, or its result be forgotten. `navarch-chaos commands` is
/// the long form.
#[tokio::test]
async fn half_of_all_answers_to_agents_are_lost() {
    let turn = Turn::take().await;
    let limit = Duration::from_secs(300);
    let options = runs::CommandsOptions { agents: 2, commands: 8, limit };
    let report = runs::commands(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0]);
    assert_eq!((report.once, report.recorded), (16, 16), "{report:?}");
    assert!(report.lost > 10, "{report:?}");
}

/// Without it what a GPU had while the group was away, or while its agent was dead, would never be known.
/// `navarch-chaos outbox` is the long form.
#[tokio::test]
async fn agents_that_are_cut_off_and_killed_deliver_what_they_saw() {
    let turn = Turn::take().await;
    let cut = Duration::from_secs(10);
    let options = runs::OutboxOptions { agents: 2, cut, events: 60, kills: 2 };
    let report = runs::outbox(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0]);
    assert_eq!(report.acknowledged, 126, "{report:?}");
}

/// Without it a command that runs for minutes would look as if its node had never heard of it.
#[tokio::test]
async fn a_command_under_way_is_shown_as_delivered() {
    let turn = Turn::take().await;
    let options = group();
    let program = options.program.clone();
    let group = Group::start(&turn.host, options).await.unwrap();
    let client = group.client().unwrap();
    let slow = |_: &std::path::Path| {
        ["--fake-gpus", "1", "--diagnostic", "slow=/bin/sleep 6"].map(str::to_owned).into()
    };
    let places = (&group, program.as_path());
    let mut agents = Agents::lay_out(&turn.host, places, 1, Arc::new(|_| ()), slow).await.unwrap();
    agents.start().unwrap();
    let node_id = agents.all()[0].node_id.clone();
    let issue = || {
        let request = api::IssueCommandRequest {
            node_id: node_id.clone(),
            command_type: api::NodeCommandType::RunDiagnostic.into(),
            parameters: [("name".to_owned(), "slow".to_owned())].into(),
        };
        let client = &client;
        async move {
            let answer = client.call::<IssueCommand>(request, &CallOptions::default()).await;
            answer.map(|answer| answer.message.command_id).map_err(|error| error.to_string())
        }
    };
    let id = until(&turn.host, "the node", LIMIT, issue).await.unwrap();
    for expected in [CommandState::Delivered, CommandState::Succeeded] {
        until(&turn.host, &format!("{expected:?}"), LIMIT, || async {
            let request = api::ListCommandsRequest { node_id: node_id.clone() };
            let answer = client.call::<ListCommands>(request, &CallOptions::default()).await;
            let commands = answer.map_err(|error| error.to_string())?.message.commands;
            let state = commands.iter().find(|command| command.command_id == id).unwrap().state();
            if state == expected { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await
        .unwrap();
    }
    // Acknowledged once more it stays what it is; another node's, or nobody's, is refused by its name.
    let acknowledge = |node_id: &str, command_id: &str| {
        let request = api::AckCommandRequest {
            node_id: node_id.to_owned(),
            command_id: command_id.to_owned(),
            result: api::CommandResult::Failed.into(),
            ..api::AckCommandRequest::default()
        };
        let client = &client;
        async move { client.call::<AckCommand>(request, &CallOptions::default()).await }
    };
    assert!(acknowledge(&node_id, &id).await.unwrap().message.acknowledged);
    for (node, command) in [("somebody", &*id), (&*node_id, "nothing")] {
        let error = acknowledge(node, command).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::NotFound);
        let words = format!("node {node} has no command {command}");
        assert!(error.to_string().contains(&words), "{error}");
    }
}
