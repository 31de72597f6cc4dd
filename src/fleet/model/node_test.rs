use super::*;
use crate::model::{Drain, Loss};

fn node(administrative: Administrative, latched: bool, lost: bool) -> Node {
    let loss = Loss { at: LogTime::from_ms(1), last_seen: None, reason: Arc::from("silent") };
    Node {
        id: NodeId::new("node-1").unwrap(),
        number: NodeNumber(1),
        provider: Arc::default(),
        region: Arc::default(),
        zone: Arc::default(),
        instance_type: Arc::default(),
        inventory: Arc::default(),
        gpu_count: 0,
        pool: None,
        instance_id: None,
        incarnation: 1,
        revision: Revision(1),
        registered_at: LogTime::default(),
        last_request_id: Arc::default(),
        earlier_requests: EarlierRequests::default(),
        last_report_id: Arc::default(),
        earlier_reports: EarlierRequests::default(),
        administrative,
        administrative_reason: Arc::from("decided"),
        health: Health { latched, reason: Arc::from("XID 79"), ..Health::default() },
        liveness: if lost { Liveness::Lost(loss) } else { Liveness::Beating },
    }
}

/// Old clients see one status: the order in which the three facts decide it is the contract.
#[test]
fn status_table() {
    use NodeStatus::{Active, Cordoned, Draining, Terminated, Unhealthy};
    let draining = Administrative::Draining(Drain::default());
    // (fact, neither, lost, latched, both)
    let table = [
        (Administrative::Active, [Active, Unhealthy, Unhealthy, Unhealthy]),
        (Administrative::Cordoned, [Cordoned, Unhealthy, Unhealthy, Unhealthy]),
        (draining, [Draining; 4]),
        (Administrative::Terminated, [Terminated; 4]),
    ];
    for (administrative, expected) in table {
        let row = [(false, false), (false, true), (true, false), (true, true)]
            .map(|(latched, lost)| node(administrative, latched, lost).status());
        assert_eq!(row, expected, "{administrative:?}");
    }
}

/// A wrong reason sends the operator to the wrong machine room.
#[test]
fn the_reason_is_of_the_deciding_fact() {
    assert_eq!(node(Administrative::Active, true, true).reason(), "XID 79");
    assert_eq!(node(Administrative::Active, false, true).reason(), "silent");
    assert_eq!(node(Administrative::Cordoned, false, false).reason(), "decided");
    assert_eq!(node(Administrative::Terminated, true, true).reason(), "decided");
}

/// A lost node must look bad to clients that know no liveness.
#[test]
fn a_lost_node_shows_as_unhealthy() {
    assert_eq!(node(Administrative::Active, false, true).health_status(), HealthStatus::Unhealthy);
    assert_eq!(node(Administrative::Active, true, false).health_status(), HealthStatus::Unknown);
}
