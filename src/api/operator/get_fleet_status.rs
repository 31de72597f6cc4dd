use std::collections::HashMap;

use navarch_fleet::{FleetState, LogTime};
use navarch_proto::{
    api::{GetFleetStatusRequest, GetFleetStatusResponse, InstanceState},
    fleet::RuleRemarkKind,
};
use tonic::Status;

use super::{
    adopt_mode::{adopt_mode, cluster_id},
    list_breakers::line,
};
use crate::{
    api::call::{Answer, Api, Call},
    ledger::View,
};

/// Nodes that want attention, in an answer at most.
const MAX_UNHEALTHY: usize = 20;

/// One screen about the fleet, as far as this replica knows.
pub(in crate::api) async fn get_fleet_status(
    call: Call,
    request: GetFleetStatusRequest,
) -> Result<Answer<GetFleetStatusResponse>, Status> {
    let view = call.api.ledger.view();
    let state_hash = match request.include_state_hash {
        true => state_hash(&call.api, &view).await,
        false => String::new(),
    };
    let fleet = &view.fleet;
    let unhealthy_nodes = fleet
        .nodes_wanting_attention()
        .take(MAX_UNHEALTHY)
        .map(|node| call.api.node_info(&view, node))
        .collect();
    let now = LogTime::from_ms(call.api.ledger.log_time_ms());
    let open_breakers: Vec<_> = fleet.breakers_to_show(now).collect();
    let message = GetFleetStatusResponse {
        cluster_id: cluster_id(&call.api, fleet),
        session: fleet.session().id.0,
        log_time: Some(LogTime::from_ms(fleet.log_time_ms()).to_timestamp()),
        applied_index: view.index,
        state_hash,
        nodes_by_status: nodes_by_status(&view),
        instances_by_state: instances_by_state(&view),
        pools: fleet.pools().map(|pool| fleet.pool_info(pool)).collect(),
        controllers: (call.api.reports)(),
        unhealthy_nodes,
        breakers: open_breakers.iter().map(line).collect(),
        adopt_mode: adopt_mode(&call.api, fleet),
        failing_rules: failing_rules(&call.api, fleet),
        open_breakers,
    };
    Ok(Answer { message, index: view.index })
}

/// Rules that could not be evaluated lately, each with what it met and where; before them, that none of them can be.
fn failing_rules(api: &Api, fleet: &FleetState) -> Vec<String> {
    let unusable = api.judge.problem(fleet).map(|problem| {
        let revision = fleet.policy_revision();
        format!(
            "all of policy revision {revision}, which this replica's build refuses (events are degraded): {problem}"
        )
    });
    let failed = fleet.rule_remarks().filter(|(key, _)| {
        key.kind == RuleRemarkKind::Failed && fleet.has_rule_remark(key, fleet.log_time())
    });
    let failed = failed
        .map(|(key, remark)| format!("{} {} (of node {})", key.rule, remark.text, remark.node_id));
    unusable.into_iter().chain(failed).collect()
}

/// Away from the threads that answer calls: it goes through the whole state.
async fn state_hash(api: &Api, view: &View) -> String {
    let view = view.clone();
    match api.spawner.on_thread("state-hash", move || hex(&view.fleet.hash())) {
        Ok(hash) => hash.await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn nodes_by_status(view: &View) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for node in view.fleet.nodes() {
        *counts.entry(node.status().as_str_name().to_owned()).or_default() += 1;
    }
    counts
}

fn instances_by_state(view: &View) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for instance in view.fleet.instances() {
        *counts.entry(InstanceState::from(instance.state).as_str_name().to_owned()).or_default() +=
            1;
    }
    counts
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
