//! Registration: once a request id, bounded, capped.

use navarch_proto::{
    api::RegisterNodeRequest,
    fleet::{ForgetNode, RejectionCode, Settings, proposal::Kind},
};

use super::{
    harness::{Fleet, apply_spec, node_request, register, register_plain, spec},
    nodes::fleet_with_node,
};

/// A retried registration that raised the incarnation would make the verdicts in between stale.
#[test]
fn one_request_id_raises_the_incarnation_once() {
    let mut fleet = Fleet::configured();
    fleet.accept(register(node_request("n", &[]), "id-1"));
    let revision = fleet.state.node("n").unwrap().revision;
    let applied = fleet.apply(register(node_request("n", &[]), "id-1"));
    assert!(applied.events.is_empty());
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 1);
    assert_eq!(fleet.state.node("n").unwrap().revision, revision);
    fleet.accept(register(node_request("n", &[]), "id-2"));
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 2);
    // Without an id each call is one of its own.
    fleet.accept(register_plain("n"));
    fleet.accept(register_plain("n"));
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 4);
}

/// A try that was held up on its way, while another one of the same call was carried out, comes after later calls.
#[test]
fn a_late_try_does_not_undo_what_came_after_it() {
    let mut fleet = Fleet::configured();
    let of_version = |version: &str| node_request("n", &[("version", version)]);
    for (version, request_id) in [("1", "id-1"), ("2", "id-2"), ("3", "id-3")] {
        fleet.accept(register(of_version(version), request_id));
    }
    for (version, request_id) in [("1", "id-1"), ("2", "id-2"), ("3", "id-3")] {
        let applied = fleet.apply(register(of_version(version), request_id));
        assert!(applied.events.is_empty(), "{request_id} was carried out before");
    }
    let node = fleet.state.node("n").unwrap();
    assert_eq!(node.incarnation, 3);
    assert_eq!(node.inventory().metadata.unwrap().labels["version"], "3");
}

/// A registration without bounds fills every replica's memory.
#[test]
fn registrations_are_bounded() {
    let mut fleet = Fleet::configured();
    let mut wrong = |change: fn(&mut RegisterNodeRequest), expected: &str| {
        let mut request = node_request("n", &[]);
        change(&mut request);
        let rejection = fleet.rejection(register(request, ""));
        assert_eq!(rejection.code(), RejectionCode::Invalid, "{expected}");
        assert!(rejection.message.contains(expected), "{expected}: {}", rejection.message);
    };
    wrong(|request| request.node_id.clear(), "node id is empty");
    wrong(|request| request.node_id = "x".repeat(10 << 20), "node id is 10485760 bytes long");
    wrong(|request| request.node_id = "a\u{7}".to_owned(), "control character U+0007");
    wrong(|request| request.provider = "x".repeat(257), "provider is 257 bytes long");
    wrong(|request| request.gpus = vec![request.gpus[0].clone(); 65], "65 GPUs; the limit is 64");
    wrong(|request| request.gpus[0].uuid = "x".repeat(257), "the limit is 256");
    wrong(|request| labels(request, 65, 1), "65 labels; the limit is 64");
    wrong(|request| labels(request, 1, 1024), "1025 bytes with its value; the limit is 1024");
    wrong(
        |request| {
            let metadata = request.metadata.get_or_insert_default();
            metadata.hostname = "x".repeat(1025);
        },
        "the limit is 1024",
    );
    wrong(
        |request| {
            let metadata = request.metadata.get_or_insert_default();
            metadata.labels.insert("pool".to_owned(), "a\nb".to_owned());
        },
        "pool name",
    );
}

/// Gives the request so many labels with values of so many bytes.
fn labels(request: &mut RegisterNodeRequest, count: usize, value_bytes: usize) {
    let label = |number: usize| {
        let name = char::from_u32(0x4e00 + u32::try_from(number).unwrap()).unwrap();
        (if count == 1 { "k".to_owned() } else { name.to_string() }, "x".repeat(value_bytes))
    };
    request.metadata.get_or_insert_default().labels = (0..count).map(label).collect();
}

/// One more node than the limit must be told the limit, and known nodes must still get in.
#[test]
fn nodes_are_capped() {
    let mut fleet = fleet_with_node();
    let settings = Settings { max_registered_nodes: 1, ..Settings::default() };
    let capped = navarch_proto::fleet::FleetSpec { settings: Some(settings), ..spec() };
    fleet.accept(apply_spec(capped));
    let rejection = fleet.rejection(register_plain("m"));
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert!(rejection.message.contains("the limit is 1"), "{}", rejection.message);
    fleet.accept(register_plain("n"));
    fleet.accept(Kind::ForgetNode(ForgetNode { node_id: "n".to_owned() }));
    fleet.accept(register_plain("m"));
    assert_eq!(fleet.state.node("m").unwrap().number.0, 2, "numbers are never used again");
}
