//! What holds for every entry: time, fences, deadlines, request ids.

use navarch_proto::fleet::{
    CordonNode, Envelope, ForgetNode, OpenSession, QueueCommand, RecordObserved, RejectionCode,
    proposal::Kind,
};

use super::harness::{Fleet, START_MS, accepted, open_session, register_plain, rejection, verdict};
use crate::limits::{MAX_REQUESTS, RETAIN_REQUESTS_MS};

fn cordon(node: &str) -> Kind {
    Kind::CordonNode(CordonNode { node_id: node.to_owned(), ..CordonNode::default() })
}

/// A leader whose clock went back must not bring deadlines back to life.
#[test]
fn time_never_goes_back() {
    let mut fleet = Fleet::configured();
    fleet.advance(1000);
    fleet.accept(register_plain("n"));
    fleet.now_ms = START_MS;
    let accepted = fleet.accept(cordon("n"));
    assert_eq!(accepted.log_time_ms, START_MS + 1000);
    // Not even the opening of a session turns it back.
    fleet.accept(open_session());
    assert_eq!(fleet.state.log_time_ms(), START_MS + 1000);
}

/// One opener's wall clock that leaps must move nothing: only what a majority said counts.
#[test]
fn a_session_opens_at_the_majoritys_time() {
    let mut fleet = Fleet::configured();
    fleet.now_ms = START_MS + 3_600_000;
    let opening = OpenSession { wall_clock_ms: START_MS + 5, ..OpenSession::default() };
    let session = fleet.accept(Kind::OpenSession(opening)).session;
    assert_eq!(fleet.state.log_time_ms(), START_MS + 5);
    assert_eq!((session, fleet.state.session().id.0), (fleet.index, fleet.index));
    assert_eq!(fleet.state.session().opened_at.as_ms(), START_MS + 5);
}

/// A deposed leader's controller that still writes would buy and terminate behind the new one's back.
#[test]
fn an_older_session_is_fenced() {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    let old = fleet.state.session().id.0;
    let fenced = Envelope { session: old, ..fleet.envelope(cordon("n")) };
    accepted(&fleet.apply_envelope(&fenced));
    fleet.accept(open_session());
    let applied = fleet.apply_envelope(&fenced);
    assert_eq!(rejection(&applied).code(), RejectionCode::Fenced);
    let unheard_of = Envelope { session: 9999, ..fenced };
    assert_eq!(rejection(&fleet.apply_envelope(&unheard_of)).code(), RejectionCode::Fenced);
}

/// A call that was given up on must not take effect minutes later.
#[test]
fn a_late_entry_is_refused() {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    let in_time = Envelope { not_after_ms: fleet.now_ms, ..fleet.envelope(cordon("n")) };
    accepted(&fleet.apply_envelope(&in_time));
    let late = Envelope { not_after_ms: fleet.now_ms - 1, ..fleet.envelope(cordon("n")) };
    assert_eq!(rejection(&fleet.apply_envelope(&late)).code(), RejectionCode::Expired);
}

fn queue(id: &str) -> Kind {
    Kind::QueueCommand(QueueCommand {
        command_id: id.to_owned(),
        node_id: "n".to_owned(),
        r#type: navarch_proto::api::NodeCommandType::RunDiagnostic.into(),
        ..QueueCommand::default()
    })
}

/// A retry after an unknown result must neither act twice nor be told something else.
#[test]
fn a_repeated_request_is_answered_again() {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    let first = fleet.apply_request("id-1", 1, queue("c1"));
    fleet.advance(RETAIN_REQUESTS_MS - 1);
    // The retry minted another command id; the answer is the first one's, and nothing happens.
    let events = fleet.state.last_event_index();
    let second = fleet.apply_request("id-1", 1, queue("c2"));
    assert_eq!(second.outcome, first.outcome);
    assert_eq!(accepted(&second).command_id, "c1");
    assert_eq!(fleet.state.last_event_index(), events);
    let other = fleet.apply_request("id-1", 2, queue("c3"));
    assert_eq!(rejection(&other).code(), RejectionCode::RequestMismatch);
    assert_eq!(fleet.state.commands_of("n").len(), 1);
    fleet.advance(1);
    accepted(&fleet.apply_request("id-1", 2, queue("c3")));
    fleet.check_indexes();
}

/// A client that was told no must not find its call carried out by a duplicate on its way.
#[test]
fn a_rejection_is_remembered_unless_it_asks_to_read_again() {
    let mut fleet = Fleet::configured();
    let forget = || Kind::ForgetNode(ForgetNode { node_id: "n".to_owned() });
    let first = fleet.apply_request("id-1", 1, forget());
    assert_eq!(rejection(&first).code(), RejectionCode::NotFound);
    fleet.accept(register_plain("n"));
    assert_eq!(fleet.apply_request("id-1", 1, forget()).outcome, first.outcome);
    // A stale verdict is judged anew under the same id.
    let unknown = navarch_proto::api::HealthStatus::Healthy;
    let stale = navarch_proto::fleet::RecordVerdict {
        policy_revision: 9,
        ..verdict("n", unknown, unknown)
    };
    let stale = fleet.apply_request("id-2", 1, Kind::RecordVerdict(stale));
    assert_eq!(rejection(&stale).code(), RejectionCode::Stale);
    let judged = Kind::RecordVerdict(verdict("n", unknown, unknown));
    accepted(&fleet.apply_request("id-2", 1, judged));
}

/// A table that forgot early to make room would break the promise; one without a bound, the replica.
#[test]
fn a_full_table_refuses_and_never_forgets_early() {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    for number in 0..MAX_REQUESTS {
        fleet.apply_request(&number.to_string(), 1, cordon("n"));
    }
    let refused = fleet.apply_request("one more", 1, cordon("n"));
    assert_eq!(rejection(&refused).code(), RejectionCode::Exhausted);
    accepted(&fleet.apply_request("0", 1, cordon("n")));
    assert_eq!(fleet.state.remembered_requests(), MAX_REQUESTS);
    fleet.advance(RETAIN_REQUESTS_MS);
    accepted(&fleet.apply_request("one more", 1, cordon("n")));
    assert!(fleet.state.remembered_requests() < MAX_REQUESTS);
}

/// A key that cannot be kept apart from others must not be taken for one.
#[test]
fn malformed_keys_are_invalid() {
    let mut fleet = Fleet::configured();
    let applied = fleet.apply_request("", 1, cordon("n"));
    assert_eq!(rejection(&applied).code(), RejectionCode::Invalid);
    let applied = fleet.apply_request(&"x".repeat(257), 1, cordon("n"));
    assert_eq!(rejection(&applied).code(), RejectionCode::Invalid);
}

/// The journal must say who did what under which request, and where in the log.
#[test]
fn events_carry_their_cause() {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    let before = fleet.state.last_event_index();
    let cordon = Kind::CordonNode(CordonNode {
        node_id: "n".to_owned(),
        reason: "maintenance".to_owned(),
        ..CordonNode::default()
    });
    let applied = fleet.apply_request("id-1", 1, cordon);
    let [event] = applied.events.as_slice() else { panic!("{:?}", applied.events) };
    assert_eq!(event.index, before + 1);
    assert_eq!((event.actor.as_str(), event.request_id.as_str()), ("operator", "id-1"));
    assert_eq!((event.subject.as_str(), event.kind.as_str()), ("node/n", "node-cordoned"));
    assert_eq!((event.reason.as_str(), event.log_index), ("maintenance", fleet.index));
    let changes: Vec<_> = event
        .changes
        .iter()
        .map(|change| (change.field.as_str(), change.before.as_str(), change.after.as_str()))
        .collect();
    assert_eq!(
        changes,
        [("administrative", "active", "cordoned"), ("status", "active", "cordoned")]
    );
}

/// Without it observers could be taken for told of what is still to come, or be told everything again.
#[test]
fn what_was_observed_never_goes_back() {
    let mut fleet = Fleet::configured();
    let newest = fleet.state.last_event_index();
    let observed = |event_index| Kind::RecordObserved(RecordObserved { event_index });
    assert_eq!(fleet.state.observed_event_index(), 0);
    assert_eq!(fleet.reject(observed(newest + 1)), RejectionCode::Invalid);
    fleet.accept(observed(newest));
    fleet.accept(observed(1));
    assert_eq!(fleet.state.observed_event_index(), newest);
    assert_eq!(fleet.state.last_event_index(), newest, "it is no event itself");
}
