use navarch_proto::fleet::{Accepted, BeginAdoption};

use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::check_text,
    model::Adoption,
    outcome::Refusal,
    state::FleetState,
};

/// The fleet was restored from a snapshot: it stands still from here on. Its machines keep the label that they
/// bear, also where the snapshot is of a fleet that was restored before.
pub(super) fn apply(
    proposal: BeginAdoption,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    check_text("machine tag", &proposal.machine_tag)?;
    if proposal.machine_tag.is_empty() {
        return Err(Refusal::invalid("machine tag is empty; give the id that the machines bear"));
    }
    if state.machine_tag.is_empty() {
        state.machine_tag = proposal.machine_tag.into();
    }
    let adoption = Adoption {
        snapshot_index: proposal.snapshot_index,
        snapshot_at: context.now,
        restored_ms: proposal.restored_ms,
        adopted: 0,
    };
    let event = Event::new(EventKind::AdoptionBegun, Subject::Fleet)
        .reason(
            "restored from a snapshot; nothing is bought or given back until an operator ends it",
        )
        .change("snapshot_index", "", proposal.snapshot_index)
        .change("machine_tag", "", &state.machine_tag);
    context.emit(event);
    state.adoption = Some(adoption);
    Ok(Accepted::default())
}
