use bytes::Bytes;
use navarch_proto::fleet::{Accepted, FailureKind, RecordOrphan};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{InstanceId, PoolName, ProviderName, ProviderRef, Revision, check_text},
    limits::MAX_REASON_BYTES,
    model::{Instance, InstanceState},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// A machine that bears our tag and that no record explains: it gets a record, under which it is given back.
/// It counts towards its pool's occupancy until it is gone, since it costs as much as any other.
pub(super) fn apply(
    proposal: &RecordOrphan,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let id = InstanceId::new(&proposal.instance_id)?;
    let provider_ref = ProviderRef::new(&proposal.provider_ref)?;
    let provider = ProviderName::shared(state.texts.share(&proposal.provider))?;
    let pool = PoolName::shared(state.texts.share(&proposal.pool))?;
    check_text("region", &proposal.region)?;
    check_text("zone", &proposal.zone)?;
    check_text("instance type", &proposal.instance_type)?;
    let explained = state.instances.by_ref(provider.as_str(), provider_ref.as_str());
    if let Some(instance) = explained.filter(|instance| instance.may_have_machine()) {
        return Err(Refusal::stale(format!(
            "machine {provider_ref} of provider {provider} is that of instance {}",
            instance.id
        )));
    }
    if proposal.report_only {
        let event = Event::new(EventKind::OrphanFound, Subject::Provider(provider.as_str()))
            .reason(&proposal.reason)
            .change("provider_ref", "", &provider_ref);
        context.emit(event);
        return Ok(Accepted::default());
    }
    if state.instances.get(id.as_str()).is_some() {
        return Err(Refusal::already_exists(format!(
            "instance {id} exists already; mint a new id for the orphan"
        )));
    }
    let event = Event::new(EventKind::OrphanFound, Subject::Instance(id.as_str()))
        .reason(&proposal.reason)
        .change("state", "", InstanceState::Terminating)
        .change("pool", "", &pool)
        .change("provider", "", &provider)
        .change("provider_ref", "", &provider_ref);
    context.emit(event);
    state.instances.insert(Instance {
        id: id.clone(),
        pool,
        provider,
        region: state.texts.share(&proposal.region),
        zone: state.texts.share(&proposal.zone),
        instance_type: state.texts.share(&proposal.instance_type),
        state: InstanceState::Terminating,
        provider_ref: Some(provider_ref),
        node_id: None,
        request_body: Bytes::new(),
        replaces: None,
        replaced_by: None,
        revision: Revision(1),
        created_at: context.now,
        ready_at: None,
        state_since: context.now,
        terminated_at: None,
        status_message: stored(&proposal.reason, MAX_REASON_BYTES),
        price_per_hour: 0.0,
        failure: FailureKind::Unspecified,
    });
    Ok(shared::accepted_instance(state, id.as_str()))
}
