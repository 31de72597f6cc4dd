//! Node commands: queue, delivery, acknowledgement, expiry.

use std::collections::BTreeMap;

use navarch_proto::{
    api::{CommandResult, NodeCommandType, NodeStatus},
    fleet::{
        AcknowledgeCommand, CordonNode, ExpireCommands, ForgetNode, HandOutCommands, MarkDelivered,
        QueueCommand, RejectionCode, proposal::Kind,
    },
};

use super::harness::{Fleet, START_MS, register_plain};
use crate::{CommandState, limits::MAX_OPEN_COMMANDS};

fn queued(id: &str) -> QueueCommand {
    QueueCommand {
        command_id: id.to_owned(),
        node_id: "n".to_owned(),
        r#type: NodeCommandType::RunDiagnostic.into(),
        ..QueueCommand::default()
    }
}

fn queue(id: &str) -> Kind {
    Kind::QueueCommand(queued(id))
}

fn acknowledge(id: &str, result: CommandResult) -> AcknowledgeCommand {
    AcknowledgeCommand {
        node_id: "n".to_owned(),
        command_id: id.to_owned(),
        result: result.into(),
        output: "out".to_owned(),
        error: String::new(),
    }
}

fn delivered(ids: &[&str]) -> Kind {
    Kind::MarkDelivered(MarkDelivered {
        node_id: "n".to_owned(),
        command_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    })
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    fleet
}

fn open(fleet: &Fleet) -> Vec<String> {
    fleet.state.open_commands_of("n").map(|command| command.id.to_string()).collect()
}

fn state_of(fleet: &Fleet, id: &str) -> CommandState {
    fleet.state.command(id).unwrap().state
}

/// A lost response must lose no command: it is delivered until it is acknowledged, in order.
#[test]
fn delivered_until_acknowledged() {
    let mut fleet = fleet();
    for id in ["c2", "c1", "c3"] {
        assert_eq!(fleet.accept(queue(id)).command_id, id);
    }
    assert_eq!(open(&fleet), ["c2", "c1", "c3"]);
    assert_eq!(fleet.accept(delivered(&["c2", "c1", "other"])).count, 2);
    assert_eq!(open(&fleet), ["c2", "c1", "c3"]);
    assert_eq!(state_of(&fleet, "c2"), CommandState::Delivered);
    fleet.accept(Kind::AcknowledgeCommand(acknowledge("c2", CommandResult::Succeeded)));
    assert_eq!(open(&fleet), ["c1", "c3"]);
    let again = fleet.apply(Kind::AcknowledgeCommand(acknowledge("c2", CommandResult::Failed)));
    assert!(again.events.is_empty());
    assert_eq!(state_of(&fleet, "c2"), CommandState::Succeeded);
    assert_eq!(&*fleet.state.command("c2").unwrap().output, "out");
    fleet.check_indexes();
}

/// Agents of the old kind never acknowledge: what they got once must not come again.
#[test]
fn handed_out_once_to_old_agents() {
    let mut fleet = fleet();
    fleet.accept(queue("c1"));
    fleet.accept(queue("c2"));
    fleet.accept(delivered(&["c1"]));
    let hand_out = || Kind::HandOutCommands(HandOutCommands { node_id: "n".to_owned() });
    let accepted = fleet.accept(hand_out());
    let ids: Vec<_> = accepted.commands.iter().map(|command| command.command_id.as_str()).collect();
    assert_eq!(ids, ["c1", "c2"]);
    assert_eq!(accepted.commands[0].issued_at.unwrap().seconds, 1_700_000_000);
    assert!(fleet.accept(hand_out()).commands.is_empty());
    assert_eq!(state_of(&fleet, "c1"), CommandState::Succeeded);
}

/// What no agent can do, or too much of it, must be refused with the reason.
#[test]
fn bad_commands_are_refused() {
    let mut fleet = fleet();
    let with_type = |value: i32| Kind::QueueCommand(QueueCommand { r#type: value, ..queued("c1") });
    let ours = [NodeCommandType::Cordon, NodeCommandType::Drain, NodeCommandType::Uncordon];
    for command_type in ours.map(i32::from).into_iter().chain([0, 99]) {
        assert_eq!(fleet.reject(with_type(command_type)), RejectionCode::Invalid);
    }
    let unknown = QueueCommand { node_id: "m".to_owned(), ..queued("c1") };
    assert_eq!(fleet.reject(Kind::QueueCommand(unknown)), RejectionCode::NotFound);
    let past = QueueCommand { deadline_ms: START_MS, ..queued("c1") };
    assert_eq!(fleet.reject(Kind::QueueCommand(past)), RejectionCode::Invalid);
    let large = BTreeMap::from([("key".to_owned(), "x".repeat(16 * 1024))]);
    let large = QueueCommand { parameters: large, ..queued("c1") };
    assert_eq!(fleet.reject(Kind::QueueCommand(large)), RejectionCode::Invalid);
    let many = (0..65).map(|number| (number.to_string(), String::new())).collect();
    let many = QueueCommand { parameters: many, ..queued("c1") };
    assert_eq!(fleet.reject(Kind::QueueCommand(many)), RejectionCode::Invalid);
}

/// An acknowledgement of somebody else's command would hide that it never ran.
#[test]
fn bad_acknowledgements_are_refused() {
    let mut fleet = fleet();
    fleet.accept(queue("c1"));
    assert_eq!(fleet.reject(queue("c1")), RejectionCode::AlreadyExists);
    let not_mine = AcknowledgeCommand {
        node_id: "m".to_owned(),
        ..acknowledge("c1", CommandResult::Succeeded)
    };
    let never_issued = acknowledge("c9", CommandResult::Succeeded);
    for stranger in [not_mine, never_issued] {
        let expected = format!("node {} has no command {}", stranger.node_id, stranger.command_id);
        let rejection = fleet.rejection(Kind::AcknowledgeCommand(stranger));
        assert_eq!(rejection.code(), RejectionCode::NotFound);
        assert!(rejection.message.starts_with(&expected), "{}", rejection.message);
    }
    assert_eq!(state_of(&fleet, "c1"), CommandState::Queued);
    let no_result = Kind::AcknowledgeCommand(acknowledge("c1", CommandResult::Unknown));
    assert_eq!(fleet.reject(no_result), RejectionCode::Invalid);
}

/// A node whose agent is gone must not collect commands for ever.
#[test]
fn the_queue_is_bounded() {
    let mut fleet = fleet();
    for number in 0..MAX_OPEN_COMMANDS {
        fleet.accept(queue(&number.to_string()));
    }
    let rejection = fleet.rejection(queue("more"));
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert!(rejection.message.contains("100 commands"), "{}", rejection.message);
    // 150 ends of commands leave the last 100.
    for number in 0..MAX_OPEN_COMMANDS {
        let id = number.to_string();
        fleet.accept(Kind::AcknowledgeCommand(acknowledge(&id, CommandResult::Succeeded)));
    }
    for number in 0..50 {
        let id = format!("late-{number}");
        fleet.accept(queue(&id));
        fleet.accept(Kind::AcknowledgeCommand(acknowledge(&id, CommandResult::Failed)));
    }
    assert_eq!(fleet.state.commands_of("n").len(), 100);
    assert!(fleet.state.command("49").is_none() && fleet.state.command("50").is_some());
    fleet.check_indexes();
}

/// An agent's output of any size must neither break apply nor a character.
#[test]
fn output_is_cut() {
    let mut fleet = fleet();
    fleet.accept(queue("c1"));
    let mut long = acknowledge("c1", CommandResult::Failed);
    long.output = "ä".repeat(40_000);
    long.error = "x".repeat(100_000);
    fleet.accept(Kind::AcknowledgeCommand(long));
    let command = fleet.state.command("c1").unwrap();
    assert_eq!((command.output.len(), command.error.len()), (65_536, 65_536));
}

/// A command that nobody fetched must fail by its deadline, not wait for a node's successor.
#[test]
fn commands_expire() {
    let mut fleet = fleet();
    fleet.accept(queue("c1"));
    let short = QueueCommand { deadline_ms: START_MS + 1000, ..queued("c2") };
    fleet.accept(Kind::QueueCommand(short));
    assert_eq!(fleet.state.next_command_deadline().unwrap().as_ms(), START_MS + 1000);
    let expire = || Kind::ExpireCommands(ExpireCommands {});
    fleet.advance(999);
    assert_eq!(fleet.accept(expire()).count, 0);
    fleet.advance(1);
    assert_eq!(fleet.accept(expire()).count, 1);
    assert_eq!(state_of(&fleet, "c2"), CommandState::Expired);
    // Late news is accepted, so that the agent stops, and changes nothing.
    fleet.accept(Kind::AcknowledgeCommand(acknowledge("c2", CommandResult::Succeeded)));
    assert_eq!(state_of(&fleet, "c2"), CommandState::Expired);
    fleet.advance(24 * 3600 * 1000);
    assert_eq!(fleet.accept(expire()).count, 1);
    assert_eq!(fleet.state.next_command_deadline(), None);
}

/// Whoever issues a cordon as a command must find it among the commands, done.
#[test]
fn our_own_commands_are_recorded_as_completed() {
    let mut fleet = fleet();
    let cordon = |id: &str| {
        Kind::CordonNode(CordonNode {
            node_id: "n".to_owned(),
            reason: "disk".to_owned(),
            command_id: id.to_owned(),
            parameters: BTreeMap::from([("reason".to_owned(), "disk".to_owned())]),
        })
    };
    let accepted = fleet.accept(cordon("c1"));
    assert_eq!(accepted.node_status, i32::from(NodeStatus::Cordoned));
    assert_eq!(accepted.command_id, "c1");
    let command = fleet.state.command("c1").unwrap();
    assert_eq!(
        (command.state, command.command_type),
        (CommandState::Succeeded, NodeCommandType::Cordon)
    );
    assert_eq!(command.to_info().parameters["reason"], "disk");
    assert_eq!(fleet.reject(cordon("c1")), RejectionCode::AlreadyExists);
    assert!(open(&fleet).is_empty());
    fleet.accept(Kind::ForgetNode(ForgetNode { node_id: "n".to_owned() }));
    assert!(fleet.state.command("c1").is_none());
    fleet.check_indexes();
}
