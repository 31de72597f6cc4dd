//! Liveness: digests, losses, and their end.

use navarch_proto::{
    api::{HealthStatus, NodeStatus},
    fleet::{ClearLost, ForgetNode, RecordDigest, RejectionCode, proposal::Kind},
};

use super::{
    harness::{Fleet, START_MS},
    nodes::{cordon, declare_lost, fleet_with_node},
};
use crate::Liveness;

fn digest(at_ms: u64, numbers: &[u32], ages_ms: &[u32], utilization: &[u8]) -> Kind {
    Kind::RecordDigest(RecordDigest {
        at_ms,
        numbers: numbers.to_vec(),
        ages_ms: ages_ms.to_vec(),
        utilization: utilization.to_vec().into(),
    })
}

/// Digests that went back in time, or wrote under a forgotten node's number, would fake silence or life.
#[test]
fn digests_only_move_forward() {
    let mut fleet = fleet_with_node();
    let seen = |fleet: &Fleet| {
        let seen = fleet.state.last_seen(crate::NodeNumber(1))?;
        Some((seen.at.as_ms() - START_MS, seen.utilization))
    };
    fleet.advance(10_000);
    fleet.accept(digest(START_MS + 9000, &[1, 77], &[1000, 0], &[40, 255]));
    assert_eq!(seen(&fleet), Some((8000, Some(40))));
    fleet.accept(digest(START_MS + 9000, &[1], &[2000], &[50]));
    assert_eq!(seen(&fleet), Some((8000, Some(40))));
    fleet.accept(digest(START_MS + 99_000, &[1], &[0], &[255]));
    assert_eq!(seen(&fleet), Some((10_000, Some(40))), "never ahead of the log");
    assert_eq!(fleet.state.last_seen(crate::NodeNumber(77)), None);
    for bad in [
        digest(START_MS, &[1, 1], &[0, 0], &[]),
        digest(START_MS, &[2, 1], &[0, 0], &[]),
        digest(START_MS, &[1, 2], &[0], &[]),
        digest(START_MS, &[1], &[0], &[1, 2]),
    ] {
        assert_eq!(fleet.reject(bad), RejectionCode::Invalid);
    }
    fleet.accept(Kind::ForgetNode(ForgetNode { node_id: "n".to_owned() }));
    assert_eq!(seen(&fleet), None);
    fleet.check_indexes();
}

/// A node that beat while its loss was on its way through the log must not be lost.
#[test]
fn a_loss_is_refused_if_anything_moved() {
    let mut fleet = fleet_with_node();
    let looked = declare_lost(&fleet);
    fleet.accept(digest(START_MS, &[1], &[0], &[]));
    assert_eq!(fleet.reject(Kind::DeclareLost(looked)), RejectionCode::Stale);
    let looked = declare_lost(&fleet);
    fleet.accept(cordon());
    assert_eq!(fleet.reject(Kind::DeclareLost(looked)), RejectionCode::Stale);
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    let node = fleet.state.node("n").unwrap();
    assert_eq!(
        (node.status(), node.health_status()),
        (NodeStatus::Unhealthy, HealthStatus::Unhealthy)
    );
    assert_eq!(node.health.verdict, HealthStatus::Unknown, "losing is not unhealthiness");
    assert_eq!(fleet.state.nodes_wanting_attention().count(), 1);
}

/// A blip must heal by itself, but not by the heartbeat that the loss already knew of.
#[test]
fn a_later_heartbeat_clears_the_loss() {
    let mut fleet = fleet_with_node();
    fleet.accept(digest(START_MS, &[1], &[0], &[]));
    fleet.advance(90_000);
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    let clear = |seen_ms| Kind::ClearLost(ClearLost { node_id: "n".to_owned(), seen_ms });
    assert_eq!(fleet.reject(clear(START_MS)), RejectionCode::Stale);
    // The heartbeat was on its way while the loss was declared.
    fleet.accept(clear(START_MS + 89_999));
    let node = fleet.state.node("n").unwrap();
    assert_eq!((node.status(), &node.liveness), (NodeStatus::Active, &Liveness::Beating));
    let seen = fleet.state.last_seen(node.number).unwrap();
    assert_eq!(seen.at.as_ms(), START_MS + 89_999);
    let applied = fleet.apply(clear(START_MS + 90_000));
    assert!(applied.events.is_empty(), "clearing twice is no news");
}
