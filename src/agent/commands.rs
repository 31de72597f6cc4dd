use std::time::Duration;

use navarch_proto::api::{
    AckCommandRequest, CommandResult, NodeCommand, NodeCommandType, PollCommandsRequest,
};

use super::{
    memory::{CommandMemory, Outcome, Recall},
    pace::Pace,
    shared::Shared,
};
use crate::client::{
    CallError, CallOptions, Failure,
    rpc::{AckCommand, PollCommands},
};

/// How long a poll waits for work: the longest that a group allows.
const POLL: Duration = Duration::from_secs(30);
/// A poll that came back sooner without work, or failed, is followed by a pause.
const QUICK: Duration = Duration::from_secs(1);
/// Pauses after polls that achieved nothing, and after acknowledgements that did not get through.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Pauses after polls that failed: when a replica ends, all polls that wait on it fail at once, and must not meet the
/// others at once.
const FAILED_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// What an acknowledgement under way gets when the agent stops.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// Takes commands until the agent stops, one after the other in the order they were delivered.
pub(super) async fn run(shared: &Shared, mut memory: CommandMemory) {
    let mut idle = Pace::new(PAUSES.0, PAUSES.1);
    let mut failing = Pace::new(FAILED_PAUSES.0, FAILED_PAUSES.1);
    loop {
        let started = shared.clock.now();
        let Some(polled) = shared.until_stopped(poll(shared)).await else {
            return;
        };
        let pause = match polled {
            None => Some(failing.failed(rand::random())),
            Some(commands) => {
                failing.succeeded();
                let useful = match commands.is_empty() {
                    true => shared.clock.now().since(started) >= QUICK,
                    false => carry_out(shared, &mut memory, commands).await,
                };
                if useful {
                    idle.succeeded()
                }
                (!useful).then(|| idle.failed(rand::random()))
            }
        };
        if let Some(pause) = pause {
            shared.pause(pause).await;
        }
        if shared.stop.is_cancelled() {
            return;
        }
    }
}

/// Waits for commands; none when the call failed.
async fn poll(shared: &Shared) -> Option<Vec<NodeCommand>> {
    let registrations = shared.settings().registrations;
    let request = PollCommandsRequest { node_id: shared.config.node_id.clone() };
    let options = CallOptions { tries: 1, ..CallOptions::within(POLL) };
    match shared.client.call::<PollCommands>(request, &options).await {
        Ok(answer) => Some(answer.message.commands),
        Err(error) => {
            if error.failure() == Failure::NotFound {
                shared.may_be_forgotten(registrations, error.retry_after());
            }
            tracing::debug!(node = shared.config.node_id, %error, "no commands");
            None
        }
    }
}

/// Carries the commands out; `false` when one could not be acknowledged and will be delivered again.
async fn carry_out(
    shared: &Shared,
    memory: &mut CommandMemory,
    commands: Vec<NodeCommand>,
) -> bool {
    for command in commands {
        if shared.stop.is_cancelled() {
            return true;
        }
        let outcome = outcome(shared, memory, &command).await;
        if let Err(error) = acknowledge(shared, &command, outcome).await {
            let id = &command.command_id;
            tracing::warn!(command = id, %error, "not acknowledged, will be delivered again");
            // Those behind it wait: the order of a node's commands is kept.
            return false;
        }
        if command.r#type() == NodeCommandType::Terminate {
            tracing::info!(command = command.command_id, "told to terminate: the agent stops");
            shared.stop.cancel();
        }
    }
    true
}

/// What came of the command, now or when it was delivered before.
async fn outcome(shared: &Shared, memory: &mut CommandMemory, command: &NodeCommand) -> Outcome {
    let id = &command.command_id;
    match memory.recall(id) {
        Recall::Done(outcome) => return outcome,
        Recall::Interrupted => {
            let text = "the agent ended while it carried this command out; it was not begun again";
            return Outcome::failed(text);
        }
        Recall::New => {}
    }
    if let Err(error) = memory.begin(id) {
        return Outcome::failed(format!(
            "not begun, because it could not be remembered in --state-dir: {error}"
        ));
    }
    tracing::info!(command = id, kind = ?command.r#type(), "carrying out");
    let work = execute(shared, command);
    let stopped = || Outcome::failed("the agent was stopped while it carried this command out");
    let outcome = shared.until_stopped(work).await.unwrap_or_else(stopped);
    if let Err(error) = memory.finish(id, &outcome) {
        tracing::error!(command = id, %error, "the outcome is remembered in memory only");
    }
    outcome
}

async fn execute(shared: &Shared, command: &NodeCommand) -> Outcome {
    match command.r#type() {
        NodeCommandType::RunDiagnostic => diagnose(shared, command).await,
        NodeCommandType::Terminate => Outcome::succeeded("the agent stops"),
        NodeCommandType::Cordon | NodeCommandType::Drain | NodeCommandType::Uncordon => {
            Outcome::failed("the control plane carries this out itself; nothing to do on the node")
        }
        NodeCommandType::Unknown => Outcome::failed(format!(
            "this agent does not know command type {}; it may be too old",
            command.r#type
        )),
    }
}

async fn diagnose(shared: &Shared, command: &NodeCommand) -> Outcome {
    let allowed = &shared.config.diagnostics;
    if allowed.is_empty() {
        return Outcome::failed(
            "no diagnostics are allowed on this node; allow some with --diagnostic NAME=/PROGRAM",
        );
    }
    let name = command.parameters.get("name").map_or("", String::as_str);
    match allowed.get(name) {
        Some(diagnostic) => {
            let limit = shared.config.diagnostic_timeout;
            diagnostic.run(&shared.clock, limit, &command.command_id).await
        }
        None => {
            let names: Vec<_> = allowed.keys().map(String::as_str).collect();
            Outcome::failed(format!(
                "diagnostic {name:?} is not allowed on this node; name one of {} as name=...",
                names.join(", ")
            ))
        }
    }
}

/// Tells the group; a command that it no longer knows needs no telling.
async fn acknowledge(
    shared: &Shared,
    command: &NodeCommand,
    outcome: Outcome,
) -> Result<(), CallError> {
    let result = match outcome.succeeded {
        true => CommandResult::Succeeded,
        false => CommandResult::Failed,
    };
    let request = AckCommandRequest {
        node_id: shared.config.node_id.clone(),
        command_id: command.command_id.clone(),
        result: result.into(),
        output: outcome.output,
        error: outcome.error,
    };
    let options = CallOptions::default();
    let call = shared.client.call::<AckCommand>(request, &options);
    let end = async {
        shared.stop.cancelled().await;
        shared.clock.sleep(LAST_WORDS).await;
    };
    tokio::select! {
        biased;
        answer = call => match answer {
            Err(error) if error.failure() != Failure::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        },
        // It stays queued, and the next agent on this node answers for it.
        () = end => Ok(()),
    }
}
