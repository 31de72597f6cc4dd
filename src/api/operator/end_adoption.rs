use navarch_fleet::FleetState;
use navarch_proto::{
    api::{EndAdoptionRequest, EndAdoptionResponse},
    fleet::{EndAdoption, proposal::Kind},
};
use tonic::Status;

use super::adopt_mode::unknown_agents;
use crate::api::call::{Answer, Api, Call};

/// The controller that lists the providers, as its reports name it.
const ADOPTER: &str = "adopter";
/// Lines of one kind in an answer at most.
const MAX_LINES: usize = 1_000;

/// Releases a fleet that was restored from a snapshot, or tells what would follow.
pub(in crate::api) async fn end_adoption(
    call: Call,
    request: EndAdoptionRequest,
) -> Result<Answer<EndAdoptionResponse>, Status> {
    let view = call.api.ledger.view();
    let mut message = forecast(&call.api, &view.fleet);
    if request.dry_run {
        return match view.fleet.adoption() {
            Some(_) => Ok(Answer { message, index: view.index }),
            None => Err(Status::failed_precondition("the fleet is not in adopt mode")),
        };
    }
    // A retry asks the log even then: the first attempt may have ended it.
    if view.fleet.adoption().is_some() && !message.objections.is_empty() && !request.force {
        return Err(Status::failed_precondition(format!(
            "adopt mode should not end yet: {}; solve it, or end it all the same with --force",
            message.objections.join("; ")
        )));
    }
    let author = call.operator_once("EndAdoption", &request);
    let committed = call.propose(Kind::EndAdoption(EndAdoption {}), &author).await?;
    message.ended = true;
    Ok(Answer { message, index: committed.index })
}

fn forecast(api: &Api, fleet: &FleetState) -> EndAdoptionResponse {
    let mut message = fleet.forecast();
    (message.unknown_agents, message.unknown_agent_ids) = unknown_agents(api, fleet);
    let silent =
        fleet.nodes().filter(|node| !node.is_gone() && api.liveness.of(node.number).seen_ms == 0);
    message.silent_nodes = silent.map(|node| node.id.to_string()).collect();
    message.objections = objections(api);
    for lines in [&mut message.terminations, &mut message.unregistered, &mut message.silent_nodes] {
        cut(lines);
    }
    message
}

/// Without a complete listing of every provider, machines that nobody knows would go on costing money.
fn objections(api: &Api) -> Vec<String> {
    let reports = (api.reports)();
    match reports.iter().find(|report| report.controller == ADOPTER) {
        None => vec!["the providers were not listed yet in this leader's session".to_owned()],
        Some(report) if report.failed > 0 => vec![report.last_error.clone()],
        Some(_) => Vec::new(),
    }
}

fn cut(lines: &mut Vec<String>) {
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.truncate(MAX_LINES);
        lines.push(format!("and {more} more"));
    }
}
