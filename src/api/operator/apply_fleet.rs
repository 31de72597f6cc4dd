use navarch_fleet::FleetState;
use navarch_proto::{
    api::{ApplyFleetRequest, ApplyFleetResponse},
    fleet::{ApplyFleetSpec, FleetSpec, proposal::Kind},
};
use tonic::Status;

use crate::{
    api::call::{Answer, Call},
    config,
    health::Policy,
};

/// Replaces the fleet's configuration by a file's, or tells what that would change.
pub(in crate::api) async fn apply_fleet(
    call: Call,
    request: ApplyFleetRequest,
) -> Result<Answer<ApplyFleetResponse>, Status> {
    let wanted = config::parse_fleet(&request.yaml, &request.policy_yaml)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    // A policy that does not compile must never enter the log.
    Policy::compile(&wanted.policy_yaml, 0)
        .map_err(|error| Status::invalid_argument(format!("health policy: {error}")))?;
    let view = call.api.ledger.view();
    let present = view.fleet.spec().map_or_else(FleetSpec::default, |spec| FleetSpec::clone(spec));
    let left = |block: &str, name: &str| left(&view.fleet, (block, name), request.force);
    let changes = config::diff_telling(&present, &wanted, left);
    // A retry asks the log even then: the first attempt may be what changed it.
    if request.dry_run || (changes.is_empty() && !call.context.may_be_retry) {
        let message = ApplyFleetResponse { changes, applied: false };
        return Ok(Answer { message, index: view.index });
    }
    let author = call.operator_once("ApplyFleet", &request);
    let apply = ApplyFleetSpec { spec: Some(wanted), only_if_unset: false, force: request.force };
    let committed = call.propose(Kind::ApplyFleetSpec(apply), &author).await?;
    let message = ApplyFleetResponse { changes, applied: true };
    Ok(Answer { message, index: committed.index })
}

/// What becomes of the machines of a pool or provider that is removed.
fn left(fleet: &FleetState, (block, name): (&str, &str), force: bool) -> String {
    let (machines, verb) = match block {
        "pools" => (fleet.pool_counts(name).occupancy(), "draining"),
        _ => (fleet.machines_at(name), "after giving back"),
    };
    let noun = if machines == 1 { "machine" } else { "machines" };
    match (machines, force) {
        (0, _) => String::new(),
        (_, true) => format!(", {verb} {machines} {noun}"),
        (_, false) => format!(", {verb} {machines} {noun} (needs --force)"),
    }
}
