use navarch_proto::fleet::{Accepted, ForgiveGpu};

use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::check_text,
    outcome::Refusal,
    state::FleetState,
};

/// Lets a GPU back that was given up on, because it was mended or never was at fault.
pub(super) fn apply(
    proposal: &ForgiveGpu,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let uuid = proposal.uuid.as_str();
    check_text("GPU UUID", uuid)?;
    if proposal.reason.is_empty() {
        return Err(Refusal::invalid("the reason is empty; say why the GPU may come back"));
    }
    let Some(gpu) = state.given_up_gpu(uuid).cloned() else {
        return Err(Refusal::not_found(format!(
            "GPU {uuid:?} is not one that was given up on; `navarch gpu list` shows those that were"
        )));
    };
    let event = Event::new(EventKind::GpuForgiven, Subject::Gpu(uuid))
        .reason(&proposal.reason)
        .change("instance_id", &gpu.instance_id, "")
        .change("until_ms", gpu.until.as_ms(), "");
    context.emit(event);
    state.given_up_gpus.remove(uuid);
    Ok(Accepted::default())
}
