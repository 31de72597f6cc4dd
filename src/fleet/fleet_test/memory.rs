//! What a node costs.

use std::{mem::size_of, sync::Arc};

use super::harness::{Fleet, node_request, register};
use crate::{Instance, LastSeen, Node, NodeId, NodeNumber};

/// A leaf of a persistent map is never less than half full: each entry costs at most twice its size.
const MAP_FACTOR: usize = 2;

/// 130,000 nodes of 8 GPUs must fit in 4 KiB each, their events included.
#[test]
fn a_node_fits_its_budget() {
    let mut fleet = Fleet::configured();
    let request_id = "0190a6f0-0000-7000-8000-000000000000";
    let id = "i-0123456789abcdef0";
    fleet.accept(register(node_request(id, &[("pool", "a"), ("rack", "r-17")]), request_id));
    let node = fleet.state.node(id).unwrap();
    let counters = 16;
    let record = size_of::<Node>() + counters + id.len() + counters;
    let texts = node.inventory.len() + counters + request_id.len() + counters;
    let maps = size_of::<(NodeId, Arc<Node>)>()
        + size_of::<(NodeNumber, NodeId)>()
        + size_of::<(NodeNumber, LastSeen)>()
        + size_of::<NodeId>();
    let instance = size_of::<Instance>() + counters + 200;
    let total = record + texts + MAP_FACTOR * maps + instance;
    assert!(node.inventory.len() < 1400, "inventory: {}", node.inventory.len());
    assert!(total < 3 * 1024, "{record} + {texts} + {MAP_FACTOR} * {maps} + {instance} = {total}");
}

/// Repeated texts must be one, or the fleet pays for them node by node.
#[test]
fn repeated_texts_are_shared() {
    let mut fleet = Fleet::configured();
    for id in ["n1", "n2"] {
        fleet.accept(register(node_request(id, &[("pool", "a")]), ""));
    }
    let [one, two] = ["n1", "n2"].map(|id| fleet.state.node(id).unwrap());
    assert!(Arc::ptr_eq(&one.provider, &two.provider));
    assert!(Arc::ptr_eq(&one.instance_type, &two.instance_type));
    let pool = |node: &Node| node.pool.as_ref().unwrap().as_str().as_ptr();
    assert_eq!(pool(one), pool(two));
}
