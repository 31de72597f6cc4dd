//! Every unary method of the public services as a type, so that one generic call serves them all.

use navarch_proto::api;
use prost::Message;

/// A unary method: what goes in, what comes out, and how it may be carried.
pub trait Rpc {
    /// The request message.
    type Request: Message + Default;
    /// The response message.
    type Response: Message + Default;
    /// The path of the method, like `/navarch.ControlPlaneService/GetNode`.
    const PATH: &'static str;
    /// Whether the call enters the log: then it goes to the leader first and carries a request id.
    const WRITES: bool;
    /// Whether the call may rightly take all of its deadline, so that silence tells nothing about the replica.
    const PATIENT: bool;
}

macro_rules! methods {
    ($($service:literal { $($name:ident($request:ident) -> $response:ident: $writes:literal, $patient:literal;)+ })+) => {$($(
        #[doc = concat!("`/navarch.", $service, "/", stringify!($name), "`.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Rpc for $name {
            type Request = api::$request;
            type Response = api::$response;
            const PATH: &'static str = concat!("/navarch.", $service, "/", stringify!($name));
            const WRITES: bool = $writes;
            const PATIENT: bool = $patient;
        }
    )+)+

        /// The paths of all methods above, for tests against the descriptors.
        #[cfg(test)]
        const PATHS: &[&str] = &[$($($name::PATH,)+)+];
    };
}

// Columns: whether the call enters the log, and whether it may take all of its deadline.
methods! {
    "ControlPlaneService" {
        RegisterNode(RegisterNodeRequest) -> RegisterNodeResponse: true, false;
        ReportHealth(ReportHealthRequest) -> ReportHealthResponse: true, false;
        SendHeartbeat(HeartbeatRequest) -> HeartbeatResponse: false, false;
        Heartbeat(HeartbeatRequest) -> HeartbeatResponse: false, false;
        GetNodeCommands(GetNodeCommandsRequest) -> GetNodeCommandsResponse: true, false;
        PollCommands(PollCommandsRequest) -> PollCommandsResponse: false, true;
        AckCommand(AckCommandRequest) -> AckCommandResponse: true, false;
        ListNodes(ListNodesRequest) -> ListNodesResponse: false, false;
        GetNode(GetNodeRequest) -> GetNodeResponse: false, false;
        IssueCommand(IssueCommandRequest) -> IssueCommandResponse: true, false;
        ListInstances(ListInstancesRequest) -> ListInstancesResponse: false, false;
        GetInstance(GetInstanceRequest) -> GetInstanceResponse: false, false;
    }
    "OperatorService" {
        ListPools(ListPoolsRequest) -> ListPoolsResponse: false, false;
        GetPool(GetPoolRequest) -> GetPoolResponse: false, false;
        PausePool(PausePoolRequest) -> PausePoolResponse: true, false;
        Explain(ExplainRequest) -> ExplainResponse: false, false;
        ScalePool(ScalePoolRequest) -> ScalePoolResponse: true, false;
        ReportPoolMetrics(ReportPoolMetricsRequest) -> ReportPoolMetricsResponse: true, false;
        ListGivenUpGpus(ListGivenUpGpusRequest) -> ListGivenUpGpusResponse: false, false;
        ForgiveGpu(ForgiveGpuRequest) -> ForgiveGpuResponse: true, false;
        ListBreakers(ListBreakersRequest) -> ListBreakersResponse: false, false;
        OverrideBreaker(OverrideBreakerRequest) -> OverrideBreakerResponse: true, false;
        ResetBreaker(ResetBreakerRequest) -> ResetBreakerResponse: true, false;
        ClearRuleVerdicts(ClearRuleVerdictsRequest) -> ClearRuleVerdictsResponse: true, false;
        ApplyFleet(ApplyFleetRequest) -> ApplyFleetResponse: true, false;
        GetCommand(GetCommandRequest) -> GetCommandResponse: false, false;
        ListCommands(ListCommandsRequest) -> ListCommandsResponse: false, false;
        EndAdoption(EndAdoptionRequest) -> EndAdoptionResponse: true, false;
        ForgetNode(ForgetNodeRequest) -> ForgetNodeResponse: true, false;
        ListEvents(ListEventsRequest) -> ListEventsResponse: false, false;
        GetFleetStatus(GetFleetStatusRequest) -> GetFleetStatusResponse: false, false;
    }
    "ReplicaService" {
        ListReplicas(ListReplicasRequest) -> ListReplicasResponse: false, false;
        AddReplica(AddReplicaRequest) -> AddReplicaResponse: true, true;
        PromoteReplica(PromoteReplicaRequest) -> PromoteReplicaResponse: true, true;
        RemoveReplica(RemoveReplicaRequest) -> RemoveReplicaResponse: true, true;
        TransferLeader(TransferLeaderRequest) -> TransferLeaderResponse: true, true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_types::FileDescriptorSet;

    use super::*;

    /// Without it a method added to the protos, or misspelt here, is missed until a user calls it.
    #[test]
    fn every_unary_method_of_the_public_services_is_here() {
        let descriptors = FileDescriptorSet::decode(navarch_proto::DESCRIPTORS).unwrap();
        let mut declared = BTreeSet::new();
        for file in descriptors.file.iter().filter(|file| file.package() == "navarch") {
            for service in &file.service {
                for method in service.method.iter().filter(|method| !method.server_streaming()) {
                    declared.insert(format!("/navarch.{}/{}", service.name(), method.name()));
                }
            }
        }
        let known: BTreeSet<_> = PATHS.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(known, declared);
    }
}
