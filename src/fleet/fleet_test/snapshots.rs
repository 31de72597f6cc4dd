//! Snapshots: round trip, damage, format.

use navarch_proto::{
    api::{DecidingEvent, HealthStatus},
    fleet::{
        BreakerForce, BreakerScope, ClearLost, DeclareLost, DrainNode, FailureKind, Header,
        OverrideBreaker, RecordBreaker, RecordDigest, RecordObserved, RecordPoolMetrics,
        RecordVerdict, ReportedEvent, RuleRemark, RuleRemarkKind, SnapshotItem, proposal::Kind,
        snapshot_item::Item,
    },
};
use prost::Message as _;

use super::{
    breakers::record,
    harness::{Fleet, node_request, order, purchase, register, register_plain, verdict},
};
use crate::{FleetState, SnapshotError};

fn bytes(state: &FleetState) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.write_snapshot(&mut bytes).unwrap();
    bytes
}

/// A state with every kind of record, and every field of a node in use.
fn full() -> Fleet {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(purchase("i1", "m1"));
    fleet.apply_request("id-1", 1, register(node_request("m1", &[("pool", "b")]), "r1"));
    fleet.accept(register_plain("m2"));
    let remark = |kind: RuleRemarkKind| RuleRemark {
        kind: kind.into(),
        rule: "rule".to_owned(),
        text: "text".to_owned(),
    };
    fleet.accept(Kind::RecordVerdict(RecordVerdict {
        reported_events: (0..200)
            .map(|identity| ReportedEvent { identity, kind: 1, code: 63, gpu_index: 2 })
            .collect(),
        remarks: vec![remark(RuleRemarkKind::Failed), remark(RuleRemarkKind::Shadowed)],
        deciding_event: Some(DecidingEvent {
            code: 63,
            gpu_uuid: "GPU-1".to_owned(),
            message: "row remapped".to_owned(),
            ..DecidingEvent::default()
        }),
        ..verdict("m1", HealthStatus::Healthy, HealthStatus::Unhealthy)
    }));
    fleet.accept(Kind::DrainNode(DrainNode {
        node_id: "m1".to_owned(),
        reason: "r".to_owned(),
        deadline_ms: fleet.now_ms + 5,
        command_id: "c1".to_owned(),
        ..DrainNode::default()
    }));
    fleet.accept(Kind::RecordDigest(RecordDigest {
        at_ms: fleet.now_ms,
        numbers: vec![1, 2],
        ages_ms: vec![5, 7],
        utilization: vec![50, 255].into(),
    }));
    fleet.accept(Kind::DeclareLost(DeclareLost {
        node_id: "m2".to_owned(),
        last_seen_ms: fleet.now_ms - 7,
        node_revision: 1,
        reason: "silent".to_owned(),
    }));
    for (pool, pending_jobs, utilization) in [("a", Some(3), None), ("b", None, Some(0.5))] {
        fleet.accept(Kind::RecordPoolMetrics(RecordPoolMetrics {
            pool: pool.to_owned(),
            pending_jobs,
            queue_depth: pending_jobs,
            utilization,
            ttl_ms: 1000,
        }));
    }
    fleet.accept(order("i2", "a"));
    fleet.accept(Kind::FailInstance(navarch_proto::fleet::FailInstance {
        instance_id: "i2".to_owned(),
        kind: FailureKind::Capacity.into(),
        ..navarch_proto::fleet::FailInstance::default()
    }));
    fleet.accept(Kind::RecordObserved(RecordObserved { event_index: 3 }));
    with_breakers(&mut fleet);
    fleet
}

/// Three breakers: one overridden, one closed, one open and calm.
fn with_breakers(fleet: &mut Fleet) {
    for (scope, name) in [
        (BreakerScope::Fleet, ""),
        (BreakerScope::Pool, "a"),
        (BreakerScope::Zone, "cloud/eu/eu-1"),
    ] {
        let opened = record(fleet, scope, name, true);
        fleet.accept(Kind::RecordBreaker(opened));
        let calm = record(fleet, scope, name, true);
        let calm_since_ms = fleet.now_ms;
        fleet.accept(Kind::RecordBreaker(RecordBreaker { calm_since_ms, ..calm }));
    }
    fleet.accept(Kind::OverrideBreaker(OverrideBreaker {
        scope: BreakerScope::Fleet.into(),
        force: BreakerForce::Closed.into(),
        duration_ms: 1000,
        reason: "r".to_owned(),
        ..OverrideBreaker::default()
    }));
    let closed = record(fleet, BreakerScope::Pool, "a", false);
    fleet.accept(Kind::RecordBreaker(closed));
}

/// A replica that came back from a snapshot must be the same, and stay the same.
#[test]
fn round_trip() {
    let mut fleet = full();
    let snapshot = bytes(&fleet.state);
    let restored = FleetState::read_snapshot(&mut snapshot.as_slice()).unwrap();
    assert_eq!(restored.hash(), fleet.state.hash());
    assert_eq!(blake3::hash(&snapshot).as_bytes(), &fleet.state.hash());
    let mut other = Fleet { state: restored, ..fleet.clone() };
    other.check_indexes();
    for fleet in [&mut fleet, &mut other] {
        let seen_ms = fleet.now_ms;
        fleet.accept(Kind::ClearLost(ClearLost { node_id: "m2".to_owned(), seen_ms }));
        fleet.accept(register_plain("m3"));
    }
    assert_eq!(other.state.hash(), fleet.state.hash());
    let empty = FleetState::default();
    let restored = FleetState::read_snapshot(&mut bytes(&empty).as_slice()).unwrap();
    assert_eq!(restored.hash(), empty.hash());
}

/// A snapshot that was cut or garbled must be refused, and never bring the replica down.
#[test]
fn damage_is_refused() {
    let snapshot = bytes(&full().state);
    for end in 0..snapshot.len() {
        let result = FleetState::read_snapshot(&mut &snapshot[..end]);
        assert!(matches!(result, Err(SnapshotError::CutOff { .. })), "{end}: {result:?}");
    }
    for place in (0..snapshot.len()).step_by(7) {
        let mut garbled = snapshot.clone();
        garbled[place] ^= 0x55;
        // Whether it is noticed here or by the file's checksum: it must not panic.
        drop(FleetState::read_snapshot(&mut garbled.as_slice()));
    }
    let mut long = vec![0xff; 9];
    long.push(0x01);
    let result = FleetState::read_snapshot(&mut long.as_slice());
    assert!(matches!(result, Err(SnapshotError::ItemTooLong { item: 0, .. })), "{result:?}");
}

fn items(items: Vec<Item>) -> Result<FleetState, SnapshotError> {
    let bytes: Vec<u8> = items
        .into_iter()
        .flat_map(|item| SnapshotItem { item: Some(item) }.encode_length_delimited_to_vec())
        .collect();
    FleetState::read_snapshot(&mut bytes.as_slice())
}

/// A newer build's snapshot must be refused with the remedy, not half understood.
#[test]
fn other_formats_and_orders_are_refused() {
    let header = |format| Item::Header(Header { format, ..Header::default() });
    let message = items(vec![header(3)]).unwrap_err().to_string();
    assert_eq!(message, "the snapshot has format 3; this build knows 2, upgrade this replica");
    assert!(matches!(items(vec![header(0)]), Err(SnapshotError::UnknownFormat { .. })));
    let node = Item::Node(navarch_proto::fleet::NodeRecord::default());
    assert!(matches!(items(vec![node.clone()]), Err(SnapshotError::Misplaced { item: 0, .. })));
    let invalid = items(vec![header(1), node]);
    assert!(matches!(invalid, Err(SnapshotError::Invalid { item: 1, .. })), "{invalid:?}");
    let trailer = Item::Trailer(navarch_proto::fleet::Trailer { items: 7 });
    let miscounted = items(vec![header(1), trailer]);
    assert!(matches!(miscounted, Err(SnapshotError::Misplaced { item: 1, .. })));
    let unknown = items(vec![header(1)]);
    assert!(matches!(unknown, Err(SnapshotError::CutOff { items: 1 })));
}
