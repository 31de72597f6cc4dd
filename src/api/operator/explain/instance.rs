use navarch_fleet::{FleetState, Instance, InstanceState, LogTime};
use navarch_proto::api::ExplainResponse;
use tonic::Status;

use super::{finding, when};

/// Why an instance is in the state that it is in, and what it waits for.
pub(super) fn explain(
    fleet: &FleetState,
    id: &str,
    now: LogTime,
) -> Result<ExplainResponse, Status> {
    let instance = fleet.find_instance(id).ok_or_else(|| {
        Status::not_found(format!(
            "there is no instance {id:?}; `navarch instance list` shows them"
        ))
    })?;
    let since = when(instance.state_since, now);
    let summary = format!("{} ({since}): {}", instance.state, instance.status_message);
    let machine = instance.provider_ref.as_ref().map_or_else(
        || format!("none is known; ordered of {}", instance.provider),
        |reference| format!("{reference} of {}", instance.provider),
    );
    let place =
        format!("{} in {:?} {:?}", instance.instance_type, &*instance.region, &*instance.zone);
    let mut findings = vec![
        finding("waits for", waits_for(fleet, instance, now)),
        finding("machine", machine),
        finding("place", place),
        finding("pool", instance.pool.as_str()),
        finding("ordered", when(instance.created_at, now)),
    ];
    let launch_timeout_ms = fleet.settings().launch_timeout_ms;
    if instance.state == InstanceState::Provisioning
        && instance.created_at.plus_ms(launch_timeout_ms) <= now
    {
        let timeout = format!("longer than launch_timeout, {} s", launch_timeout_ms / 1_000);
        findings.push(finding("unanswered", timeout));
    }
    if let Some(node) = fleet.node_of_instance(instance.id.as_str()) {
        findings.push(finding("node", format!("{}, {}", node.id, node.administrative)));
    }
    if let Some(old) = &instance.replaces {
        findings.push(finding("takes the place of", old.as_str()));
    }
    if let Some(new) = &instance.replaced_by {
        findings.push(finding("is replaced by", new.as_str()));
    }
    if instance.price_per_hour > 0.0 {
        let price = format!("{} US dollars an hour", instance.price_per_hour);
        findings.push(finding("price", price));
    }
    Ok(ExplainResponse { summary, findings, ..ExplainResponse::default() })
}

fn waits_for(fleet: &FleetState, instance: &Instance, now: LogTime) -> String {
    match instance.state {
        InstanceState::Provisioning => {
            "an answer of the provider; it is asked under the same key until it has come".to_owned()
        }
        InstanceState::PendingRegistration => {
            let timeout_ms = fleet.settings().registration_timeout_ms;
            let deadline = instance.state_since.plus_ms(timeout_ms);
            format!("its agent to register; it fails {}", when(deadline, now))
        }
        InstanceState::Running => "nothing".to_owned(),
        InstanceState::Terminating => {
            "the provider to say that the machine is gone; it is asked again and again".to_owned()
        }
        InstanceState::Failed if instance.may_have_machine() => {
            "its machine to be given back".to_owned()
        }
        InstanceState::Failed | InstanceState::Terminated => {
            let retain_ms = fleet.settings().retain_terminated_ms;
            let dropped = instance.state_since.plus_ms(retain_ms);
            format!("nothing; the record is dropped {}", when(dropped, now))
        }
    }
}
