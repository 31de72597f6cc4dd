//! Breakers: what they stop, who opens and closes them, and what an operator's word is worth.

use navarch_proto::fleet::{
    BreakerCounts, BreakerForce, BreakerScope, DeclareLost, DropExpired, FailInstance, FailureKind,
    OverrideBreaker, RecordBreaker, RejectionCode, RequestInstance, proposal::Kind,
};

use super::{
    harness::{Fleet, accepted, node_request, open_session, order, purchase, register, rejection},
    nodes::{declare_lost, fleet_with_node},
};
use crate::{
    BreakerKey,
    limits::{LONGEST_OVERRIDE_MS, RETAIN_BREAKERS_MS},
};

const HOUR_MS: u64 = 3_600_000;

pub(super) fn record(fleet: &Fleet, scope: BreakerScope, name: &str, open: bool) -> RecordBreaker {
    let key = match scope {
        BreakerScope::Pool => BreakerKey::pool(name),
        BreakerScope::Zone => BreakerKey { scope: crate::BreakerScope::Zone, name: name.into() },
        BreakerScope::Fleet | BreakerScope::Unspecified => BreakerKey::fleet(),
    };
    RecordBreaker {
        scope: scope.into(),
        name: name.to_owned(),
        open,
        reason: "6 of 9 are silent".to_owned(),
        counts: Some(BreakerCounts { silent: 6, size: 9, ..BreakerCounts::default() }),
        calm_since_ms: 0,
        breaker_revision: fleet.state.breaker(&key).map_or(0, |breaker| breaker.revision.0),
    }
}

fn force(scope: BreakerScope, name: &str, force: BreakerForce, duration_ms: u64) -> Kind {
    Kind::OverrideBreaker(OverrideBreaker {
        scope: scope.into(),
        name: name.to_owned(),
        force: force.into(),
        duration_ms,
        reason: "the switch was replaced".to_owned(),
        breaker_revision: 0,
    })
}

/// Node `m1` runs on instance `i1` of pool `a`, in zone `cloud/eu/eu-1`.
fn fleet_with_machine() -> Fleet {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(purchase("i1", "m1"));
    fleet.accept(register(node_request("m1", &[]), ""));
    fleet
}

fn fail(kind: FailureKind) -> Kind {
    Kind::FailInstance(FailInstance {
        instance_id: "i1".to_owned(),
        kind: kind.into(),
        ..FailInstance::default()
    })
}

fn loss(fleet: &Fleet) -> DeclareLost {
    let node_revision = fleet.state.node("m1").unwrap().revision.0;
    DeclareLost { node_id: "m1".to_owned(), node_revision, ..DeclareLost::default() }
}

/// Without it a loss or a replacement that was planned before the breaker opened would slip through after it.
#[test]
fn an_open_breaker_stops_losses_and_replacements_in_apply() {
    for (scope, name) in [
        (BreakerScope::Fleet, ""),
        (BreakerScope::Pool, "a"),
        (BreakerScope::Zone, "cloud/eu/eu-1"),
    ] {
        let mut fleet = fleet_with_machine();
        let loss = loss(&fleet);
        let replacement = match order("i2", "a") {
            Kind::RequestInstance(order) => RequestInstance { replaces: "i1".to_owned(), ..order },
            other => panic!("{other:?}"),
        };
        let open = record(&fleet, scope, name, true);
        fleet.accept(Kind::RecordBreaker(open));
        let refused = fleet.rejection(Kind::DeclareLost(loss.clone()));
        assert_eq!(refused.code(), RejectionCode::Precondition, "{name}");
        assert!(refused.message.contains("6 of 9 are silent"), "{refused:?}");
        let replace = Kind::RequestInstance(replacement.clone());
        assert_eq!(fleet.reject(replace), RejectionCode::Precondition, "{name}");
        for kind in [FailureKind::NodeLost, FailureKind::NodeUnhealthy, FailureKind::Vanished] {
            assert_eq!(fleet.reject(fail(kind)), RejectionCode::Precondition, "{name} {kind:?}");
        }
        // What has nothing to do with it goes on.
        fleet.accept(order("i3", "a"));
        let close = record(&fleet, scope, name, false);
        fleet.accept(Kind::RecordBreaker(close));
        fleet.accept(Kind::DeclareLost(loss));
        fleet.accept(Kind::RequestInstance(replacement));
    }
}

/// Without it one pool's trouble would stop the whole fleet.
#[test]
fn other_pools_and_zones_go_on() {
    let mut fleet = fleet_with_machine();
    for (scope, name) in [(BreakerScope::Pool, "b"), (BreakerScope::Zone, "cloud/eu/eu-2")] {
        let open = record(&fleet, scope, name, true);
        fleet.accept(Kind::RecordBreaker(open));
    }
    let loss = loss(&fleet);
    fleet.accept(Kind::DeclareLost(loss));
}

/// Without it a leader that looked before an operator decided would undo the decision, or journal the same again.
#[test]
fn the_leader_records_by_what_it_saw() {
    let mut fleet = fleet_with_node();
    let events = fleet.state.last_event_index();
    let open = record(&fleet, BreakerScope::Pool, "a", true);
    fleet.accept(Kind::RecordBreaker(open.clone()));
    assert_eq!(fleet.reject(Kind::RecordBreaker(open)), RejectionCode::Stale);
    let calm = record(&fleet, BreakerScope::Pool, "a", true);
    let calm_since_ms = fleet.now_ms;
    fleet.accept(Kind::RecordBreaker(RecordBreaker { calm_since_ms, ..calm.clone() }));
    let breaker = fleet.state.breaker(&BreakerKey::pool("a")).unwrap().clone();
    let opening = breaker.opening.clone().unwrap();
    assert_eq!(opening.calm_since.map(crate::LogTime::as_ms), Some(calm_since_ms));
    assert_eq!(opening.counts.silent, 6, "what was counted when it opened");
    fleet.accept(force(BreakerScope::Pool, "a", BreakerForce::Closed, HOUR_MS));
    assert_eq!(fleet.reject(Kind::RecordBreaker(calm)), RejectionCode::Stale);
    let kinds = fleet.kinds_since(events);
    assert_eq!(kinds, ["breaker-opened", "breaker-overridden"]);
}

/// Without it an operator could not mend what the breaker got wrong, or would disable it for ever by a slip.
#[test]
fn an_override_holds_for_its_time() {
    let mut fleet = fleet_with_machine();
    let open = record(&fleet, BreakerScope::Zone, "cloud/eu/eu-1", true);
    fleet.accept(Kind::RecordBreaker(open));
    let zone = |force_to, ms| force(BreakerScope::Zone, "cloud/eu/eu-1", force_to, ms);
    fleet.advance(1000);
    fleet.accept(zone(BreakerForce::Closed, HOUR_MS));
    let node = fleet.state.node("m1").unwrap().clone();
    let now = fleet.state.log_time();
    assert!(fleet.state.stopped_by(&node, now).is_none());
    let key = BreakerKey { scope: crate::BreakerScope::Zone, name: "cloud/eu/eu-1".into() };
    assert_eq!(fleet.state.breaker(&key).unwrap().resumed(now), Some(now), "timers start afresh");
    assert!(fleet.state.stopped_by(&node, now.plus_ms(HOUR_MS)).is_some(), "it ran out");
    let info = fleet.state.breaker_info(&key, now);
    assert_eq!((info.open, info.r#override.as_str(), info.nodes), (false, "closed", 1));
    assert_eq!(fleet.state.breakers_to_show(now).count(), 1);
    fleet.accept(zone(BreakerForce::None, 0));
    assert!(fleet.state.stopped_by(&node, now).is_some(), "automatic again, and still open");
    assert_eq!(fleet.reject(zone(BreakerForce::None, 0)), RejectionCode::Precondition);
}

/// Without it somebody could stop a whole fleet by a misspelt name or for a century, and nobody would know why.
#[test]
fn an_override_names_a_group_a_time_and_a_reason() {
    let mut fleet = fleet_with_machine();
    let (pool, zone, whole) = (BreakerScope::Pool, BreakerScope::Zone, BreakerScope::Fleet);
    let open = BreakerForce::Open;
    for (bad, code, says) in [
        (force(pool, "aa", open, 1), RejectionCode::NotFound, "no pool \"aa\"; pools: a, b"),
        (force(zone, "eu-1", open, 1), RejectionCode::NotFound, "of nodes: cloud/eu/eu-1"),
        (force(whole, "a", open, 1), RejectionCode::Invalid, "has no name"),
        (force(pool, "a", open, 0), RejectionCode::Invalid, "more than 0"),
        (force(pool, "a", open, LONGEST_OVERRIDE_MS + 1), RejectionCode::Invalid, "a week"),
    ] {
        let refused = fleet.rejection(bad.clone());
        assert_eq!(refused.code(), code, "{bad:?}");
        assert!(refused.message.contains(says), "{refused:?}");
    }
    let mut nameless = force(pool, "a", open, 1);
    if let Kind::OverrideBreaker(order) = &mut nameless {
        order.reason.clear();
    }
    assert_eq!(fleet.reject(nameless), RejectionCode::Invalid);
    fleet.accept(force(whole, "", open, LONGEST_OVERRIDE_MS));
    fleet.accept(force(pool, "", open, 1));
}

/// Without it a loss that an old leader decided on would be carried out after another one came.
#[test]
fn a_loss_of_an_earlier_session_is_fenced() {
    let mut fleet = fleet_with_node();
    let session = fleet.state.session().id.0;
    let lost = Kind::DeclareLost(declare_lost(&fleet));
    let mut envelope = fleet.envelope(lost.clone());
    envelope.session = session;
    let mut moved = fleet.clone();
    accepted(&fleet.apply_envelope(&envelope));
    moved.accept(open_session());
    let mut late = moved.envelope(lost);
    late.session = session;
    assert_eq!(rejection(&moved.apply_envelope(&late)).code(), RejectionCode::Fenced);
}

/// Without it records of zones that are long gone would pile up, or one that still matters would go.
#[test]
fn records_of_breakers_go_a_day_after_they_closed() {
    let mut fleet = fleet_with_node();
    let open = record(&fleet, BreakerScope::Pool, "a", true);
    fleet.accept(Kind::RecordBreaker(open));
    fleet.advance(10 * RETAIN_BREAKERS_MS);
    assert_eq!(fleet.accept(Kind::DropExpired(DropExpired {})).count, 0);
    let close = record(&fleet, BreakerScope::Pool, "a", false);
    fleet.accept(Kind::RecordBreaker(close));
    let closed_ms = fleet.now_ms;
    assert_eq!(fleet.state.next_drop().unwrap().as_ms(), closed_ms + RETAIN_BREAKERS_MS);
    fleet.advance(RETAIN_BREAKERS_MS);
    assert_eq!(fleet.accept(Kind::DropExpired(DropExpired {})).count, 1);
    assert_eq!(fleet.state.breakers().count(), 0);
}
