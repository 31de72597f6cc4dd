//! The table of methods.

use super::{
    agent,
    call::Principal,
    cluster,
    handler::{Handler, frames, streaming, unary},
    operator,
};

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
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub place: Place,
    /// Admits the token of agents.
    pub agents: bool,
    /// May take long, since it goes through all of the fleet.
    pub scans: bool,
    pub handler: Handler,
}

/// A method for operators alone.
const fn at(place: Place, handler: Handler) -> Route {
    Route { place, agents: false, scans: false, handler }
}

impl Route {
    const fn for_agents(self) -> Self {
        Self { agents: true, ..self }
    }

    const fn scanning(self) -> Self {
        Self { scans: true, ..self }
    }

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
    use Place::{Here, Leader, LeaderIfAny};

    let (service, method) = path.strip_prefix("/navarch.")?.split_once('/')?;
    let route = match service {
        "ControlPlaneService" => match method {
            "RegisterNode" => at(Leader, unary!(agent::register_node)).for_agents(),
            "ReportHealth" => at(Leader, unary!(agent::report_health)).for_agents(),
            "SendHeartbeat" | "Heartbeat" => at(Leader, unary!(agent::heartbeat)).for_agents(),
            "GetNodeCommands" => at(Leader, unary!(agent::get_node_commands)).for_agents(),
            "AckCommand" => at(Leader, unary!(agent::ack_command)).for_agents(),
            "PollCommands" => at(Here, unary!(agent::poll_commands)).for_agents(),
            "IssueCommand" => at(Leader, unary!(agent::issue_command)),
            "ListNodes" => at(Here, unary!(agent::list_nodes)).scanning(),
            "GetNode" => at(Here, unary!(agent::get_node)),
            "ListInstances" => at(Here, unary!(agent::list_instances)).scanning(),
            "GetInstance" => at(Here, unary!(agent::get_instance)),
            _ => return None,
        },
        "OperatorService" => match method {
            "ListBreakers" => at(Here, unary!(operator::list_breakers)),
            "OverrideBreaker" => at(Leader, unary!(operator::override_breaker)),
            "ResetBreaker" => at(Leader, unary!(operator::reset_breaker)),
            "ClearRuleVerdicts" => at(Leader, unary!(operator::clear_rule_verdicts)),
            "PausePool" => at(Leader, unary!(operator::pause_pool)),
            "Explain" => at(Here, unary!(operator::explain)).scanning(),
            "ScalePool" => at(Leader, unary!(operator::scale_pool)),
            "ReportPoolMetrics" => at(Leader, unary!(operator::report_pool_metrics)),
            "ForgiveGpu" => at(Leader, unary!(operator::forgive_gpu)),
            "ListGivenUpGpus" => at(Here, unary!(operator::list_given_up_gpus)),
            "ApplyFleet" => at(Leader, unary!(operator::apply_fleet)),
            "EndAdoption" => at(Leader, unary!(operator::end_adoption)),
            "ForgetNode" => at(Leader, unary!(operator::forget_node)),
            "GetFleetStatus" => at(LeaderIfAny, unary!(operator::get_fleet_status)).scanning(),
            "ListPools" => at(Here, unary!(operator::list_pools)),
            "GetPool" => at(Here, unary!(operator::get_pool)),
            "GetCommand" => at(Here, unary!(operator::get_command)),
            "ListCommands" => at(Here, unary!(operator::list_commands)),
            "ListEvents" => at(Here, unary!(operator::list_events)).scanning(),
            "WatchEvents" => at(Here, frames!(operator::watch_event_frames)),
            _ => return None,
        },
        "ReplicaService" => match method {
            "AddReplica" => at(Leader, unary!(cluster::add_replica)),
            "PromoteReplica" => at(Leader, unary!(cluster::promote_replica)),
            "RemoveReplica" => at(Leader, unary!(cluster::remove_replica)),
            "TransferLeader" => at(Leader, unary!(cluster::transfer_leader)),
            "SaveSnapshot" => at(Here, streaming!(cluster::save_snapshot)),
            "ListReplicas" => at(LeaderIfAny, unary!(cluster::list_replicas)),
            _ => return None,
        },
        _ => return None,
    };
    Some(route)
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
        assert!(find("/grpc.health.v1.Health/Check").is_none());
    }
}
