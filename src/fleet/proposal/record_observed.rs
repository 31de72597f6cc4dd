use navarch_proto::fleet::{Accepted, RecordObserved};

use crate::{outcome::Refusal, state::FleetState};

/// Takes over up to where observers were told the journal. It never goes back, and it is no event itself:
/// else it would be told, too.
pub(super) fn apply(
    proposal: &RecordObserved,
    state: &mut FleetState,
) -> Result<Accepted, Refusal> {
    let newest = state.last_event_index();
    if proposal.event_index > newest {
        return Err(Refusal::invalid(format!(
            "event {} was not there to be observed; the newest is {newest}",
            proposal.event_index
        )));
    }
    state.observed_event_index = state.observed_event_index.max(proposal.event_index);
    Ok(Accepted::default())
}
