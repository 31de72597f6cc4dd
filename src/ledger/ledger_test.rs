use navarch_proto::fleet::{ForgetNode, OpenSession, RejectionCode, proposal::Kind};

use super::{
    testing::{START_MS, TestGroup, propose},
    *,
};

fn open_session() -> Kind {
    let replica = "r1".to_owned();
    Kind::OpenSession(OpenSession { replica, wall_clock_ms: START_MS, ..OpenSession::default() })
}

/// Without it a caller could not tell what to retry, and a retry could buy twice.
#[tokio::test(flavor = "current_thread")]
async fn applied_rejected_and_unknown_are_three_things() {
    let bench = TestGroup::new();
    let (ledger, session) = bench.leading(1);
    let author = Author::caller("operator");
    let forget = || Kind::ForgetNode(ForgetNode { node_id: "none".to_owned() });
    let rejected = propose(&ledger, forget(), &author).unwrap_err();
    assert_eq!(rejected.rejection_code(), Some(RejectionCode::NotFound));
    bench.group.fault([LocalFault::DropAnswer, LocalFault::Refuse]);
    let unknown = propose(&ledger, open_session(), &author).unwrap_err();
    assert!(matches!(unknown, ProposeError::Unknown { .. }), "{unknown}");
    assert_ne!(ledger.view().fleet.session().id.0, session, "it took effect");
    let refused = propose(&ledger, open_session(), &author).unwrap_err();
    assert!(matches!(refused, ProposeError::NotProposed { .. }), "{refused}");
    let follower = propose(&bench.ledger(2), open_session(), &author).unwrap_err();
    assert!(matches!(follower, ProposeError::NotProposed { .. }), "{follower}");
}

/// Without it whoever was answered could read a state from before its own write.
#[tokio::test(flavor = "current_thread")]
async fn an_answer_can_be_read_at_once() {
    let bench = TestGroup::new();
    let (ledger, _) = bench.leading(1);
    let committed = propose(&ledger, open_session(), &Author::caller("replica")).unwrap();
    let view = ledger.view();
    assert_eq!(view.index, committed.index);
    assert_eq!(view.fleet.session().id.0, committed.accepted.session);
    let read = ledger.linearizable_view(bench.clock.now() + Duration::from_secs(1)).await.unwrap();
    assert_eq!(read.index, committed.index);
}

/// Without it an old leader's control loops would go on acting beside those of the new one.
#[tokio::test(flavor = "current_thread")]
async fn an_older_session_is_fenced_also_through_the_new_leader() {
    let bench = TestGroup::new();
    let (_, old) = bench.leading(1);
    let (ledger, new) = bench.leading(2);
    let attempt = |session| {
        let author = Author::controller("provisioner", session);
        let forget = Kind::ForgetNode(ForgetNode { node_id: "none".to_owned() });
        propose(&ledger, forget, &author).unwrap_err().rejection_code()
    };
    assert_eq!(attempt(old), Some(RejectionCode::Fenced));
    assert_eq!(attempt(new), Some(RejectionCode::NotFound));
}

/// Without it a proposal could wait in a queue until long after its caller has tried again elsewhere.
#[tokio::test(flavor = "current_thread")]
async fn a_proposal_is_void_after_its_deadline() {
    let bench = TestGroup::new();
    let (ledger, _) = bench.leading(1);
    let author = Author::caller("operator");
    let late = ledger.propose(open_session(), &author, bench.clock.now()).await.unwrap_err();
    assert!(matches!(late, ProposeError::NotProposed { .. }), "{late}");
    bench.group.fault([LocalFault::Delay]);
    let session = ledger.view().fleet.session().id;
    let (slow, time) = (ledger.clone(), bench.clock.now() + Duration::from_secs(2));
    let delayed =
        tokio::spawn(async move { slow.propose(open_session(), &Author::default(), time).await });
    bench.advance(1).await;
    bench.advance(2).await;
    assert!(matches!(delayed.await.unwrap(), Err(ProposeError::Unknown { .. })));
    // It enters the log only now, before the next one, and within its own time by its own stamp.
    propose(&ledger, open_session(), &author).unwrap();
    assert_ne!(ledger.view().fleet.session().id, session);
}

/// Without it a follower would stamp entries, and answer ages, by a clock of its own.
#[tokio::test(flavor = "current_thread")]
async fn log_time_runs_only_while_leading() {
    let bench = TestGroup::new();
    let (ledger, _) = bench.leading(1);
    bench.advance(7).await;
    assert_eq!(ledger.log_time_ms(), START_MS + 7_000);
    ledger.set_standing(Standing::Following);
    assert_eq!(ledger.log_time_ms(), START_MS);
}
