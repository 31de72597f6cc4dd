//! The table of methods.

use super::call::Principal;

/// Where a call is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By the leader; another replica relays it.
    Leader,
    /// By the leader if there is one, else by the replica that got it: status must not need a quorum.
    LeaderIfAny,
    /// By the replica that got it.
    Here,
}

/// One method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub place: Place,
    /// Admits the token of agents.
    pub agents: bool,
    /// May take long, since it goes through all of the fleet.
    pub scans: bool,
}

const fn route(place: Place, agents: bool) -> Option<Route> {
    Some(Route { place, agents, scans: false })
}

/// A read of the operator's, here, that may go through all of the fleet.
const SCAN: Option<Route> = Some(Route { place: Place::Here, agents: false, scans: true });

impl Route {
    /// Whether `principal` may call it.
    pub(super) fn admits(self, principal: Principal) -> bool {
        match principal {
            Principal::Operator => true,
            Principal::Agent => self.agents,
        }
    }
}

/// The route of a gRPC path; none for what is not ours (reflection, health).
pub(super) fn find(path: &str) -> Option<Route> {
    let method = path.strip_prefix("/navarch.")?;
    match method {
        "ControlPlaneService/RegisterNode"
        | "ControlPlaneService/ReportHealth"
        | "ControlPlaneService/SendHeartbeat"
        | "ControlPlaneService/Heartbeat"
        | "ControlPlaneService/GetNodeCommands"
        | "ControlPlaneService/AckCommand" => route(Place::Leader, true),
        "ControlPlaneService/PollCommands" => route(Place::Here, true),
        "ControlPlaneService/IssueCommand"
        | "OperatorService/ScalePool"
        | "OperatorService/ApplyFleet"
        | "OperatorService/ForgetNode"
        | "ReplicaService/AddReplica"
        | "ReplicaService/PromoteReplica"
        | "ReplicaService/RemoveReplica"
        | "ReplicaService/TransferLeader" => route(Place::Leader, false),
        "OperatorService/GetFleetStatus" => {
            Some(Route { place: Place::LeaderIfAny, agents: false, scans: true })
        }
        "ReplicaService/ListReplicas" => route(Place::LeaderIfAny, false),
        "ControlPlaneService/ListNodes" | "ControlPlaneService/ListInstances" => SCAN,
        "ControlPlaneService/GetNode"
        | "ControlPlaneService/GetInstance"
        | "OperatorService/ListPools"
        | "OperatorService/GetPool"
        | "OperatorService/GetCommand"
        | "OperatorService/ListCommands"
        | "OperatorService/ListEvents"
        | "OperatorService/WatchEvents" => route(Place::Here, false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    /// Without it a new method would be reachable past the gate's table, or not at all.
    #[test]
    fn every_method_has_a_route() {
        let pool = DescriptorPool::decode(navarch_proto::DESCRIPTORS).unwrap();
        let methods: Vec<String> = pool
            .services()
            .filter(|service| service.package_name() == "navarch")
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
            .collect();
        assert!(methods.len() > 20);
        for path in methods {
            assert!(find(&path).is_some(), "{path} has no route");
        }
        assert_eq!(find("/grpc.health.v1.Health/Check"), None);
    }
}
