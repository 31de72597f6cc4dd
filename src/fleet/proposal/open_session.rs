use navarch_proto::fleet::{Accepted, OpenSession};

use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{SessionId, check_text},
    outcome::Refusal,
    state::{FleetState, Session},
};

/// Opens a leader's session, which ends the one before. Its id is this entry's log index.
pub(super) fn apply(
    proposal: OpenSession,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    check_text("replica name", &proposal.replica)?;
    check_text("boot id", &proposal.boot_id)?;
    let id = SessionId(context.index);
    if id <= state.session.id {
        return Err(Refusal::fenced(format!(
            "log index {id} is not after that of the open session, {}",
            state.session.id
        )));
    }
    let event = Event::new(EventKind::SessionOpened, Subject::Fleet)
        .change("session", state.session.id, id)
        .change("replica", &state.session.replica, &proposal.replica);
    context.emit(event);
    state.session = Session {
        id,
        replica: proposal.replica.into(),
        boot_id: proposal.boot_id.into(),
        opened_at: context.now,
    };
    Ok(Accepted { session: id.0, ..Accepted::default() })
}
