use navarch_fleet::{FleetState, LogTime};
use navarch_proto::api::AdoptMode;

use crate::api::call::Api;

/// Node ids in an answer at most.
const MAX_IDS: usize = 20;

/// How a restored fleet stands; none: it is not in adopt mode.
pub(super) fn adopt_mode(api: &Api, fleet: &FleetState) -> Option<AdoptMode> {
    let adoption = fleet.adoption()?;
    let (unknown_agents, unknown_agent_ids) = unknown_agents(api, fleet);
    Some(AdoptMode {
        cluster_id: cluster_id(api, fleet),
        snapshot_index: adoption.snapshot_index,
        snapshot_time: Some(adoption.snapshot_at.to_timestamp()),
        restored_at: Some(LogTime::from_ms(adoption.restored_ms).to_timestamp()),
        adopted: adoption.adopted,
        unknown_agents,
        unknown_agent_ids,
    })
}

/// With which the fleet's machines are labelled.
pub(super) fn cluster_id(api: &Api, fleet: &FleetState) -> String {
    let group_id = api.replica().status().cluster_id.unwrap_or_default();
    fleet.cluster_id(&group_id).to_owned()
}

/// Agents that beat and have not registered: how many, and some of them.
pub(super) fn unknown_agents(api: &Api, fleet: &FleetState) -> (u32, Vec<String>) {
    let mut ids = api.liveness.unknown_agents(fleet);
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    ids.truncate(MAX_IDS);
    (count, ids)
}
