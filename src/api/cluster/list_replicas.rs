use navarch_cluster::{ReplicaId, ReplicaStatus};
use navarch_proto::api::{ListReplicasRequest, ListReplicasResponse, ReplicaInfo};
use tonic::Status;

use crate::api::call::{Answer, Api, Call};

/// Lists the group's replicas as this one sees them; the leader sees their progress.
pub(in crate::api) async fn list_replicas(
    call: Call,
    _: ListReplicasRequest,
) -> Result<Answer<ListReplicasResponse>, Status> {
    let status = call.api.replica().status();
    let message = ListReplicasResponse {
        replicas: status.replicas.iter().map(|replica| info(replica, status.term)).collect(),
        cluster_id: status.cluster_id.unwrap_or_default(),
        leader_id: status.leader.map_or(0, |id| id.0),
        answered_by: status.local.map_or(0, |id| id.0),
    };
    Ok(Answer { message, index: call.api.ledger.view().index })
}

/// A replica as the wire shows it.
fn info(replica: &ReplicaStatus, term: u64) -> ReplicaInfo {
    ReplicaInfo {
        id: replica.id.0,
        name: replica.name.clone(),
        address: replica.address.clone(),
        role: replica.role.to_string(),
        voter: replica.voter,
        term,
        applied_index: replica.matched.unwrap_or(0),
        lag: replica.lag.unwrap_or(0),
        last_contact_ms: replica
            .last_contact
            .map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        public_address: replica.public_address.clone(),
    }
}

/// One replica of the group as this one sees it.
pub(super) fn replica(api: &Api, id: ReplicaId) -> Option<ReplicaInfo> {
    let status = api.replica().status();
    status
        .replicas
        .iter()
        .find(|replica| replica.id == id)
        .map(|replica| info(replica, status.term))
}
