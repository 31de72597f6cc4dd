use navarch_proto::fleet::{Accepted, RecordDigest};

use crate::{
    ids::NodeNumber, limits::MAX_DIGEST_NUMBERS, model::LastSeen, outcome::Refusal,
    state::FleetState, time::LogTime,
};

/// What a digest writes for a utilisation that is not known.
const UNKNOWN_UTILIZATION: u8 = u8::MAX;

/// Takes over when nodes were last heard from. It clears no loss and raises no revision.
pub(super) fn apply(proposal: &RecordDigest, state: &mut FleetState) -> Result<Accepted, Refusal> {
    check(proposal)?;
    let at = LogTime::from_ms(proposal.at_ms).min(state.log_time);
    for (place, (number, age_ms)) in proposal.numbers.iter().zip(&proposal.ages_ms).enumerate() {
        let utilization = proposal
            .utilization
            .get(place)
            .filter(|percent| **percent != UNKNOWN_UTILIZATION)
            .map(|percent| (*percent).min(100));
        let seen = LastSeen { at: at.minus_ms(u64::from(*age_ms)), utilization };
        state.nodes.see(NodeNumber(*number), seen);
    }
    Ok(Accepted::default())
}

fn check(proposal: &RecordDigest) -> Result<(), Refusal> {
    let count = proposal.numbers.len();
    if count > MAX_DIGEST_NUMBERS {
        return Err(Refusal::invalid(format!(
            "the digest has {count} nodes; the limit is {MAX_DIGEST_NUMBERS}, log it in chunks"
        )));
    }
    let utilizations = proposal.utilization.len();
    if proposal.ages_ms.len() != count || (utilizations != 0 && utilizations != count) {
        return Err(Refusal::invalid(format!(
            "the digest has {count} nodes, {} ages and {utilizations} utilisations; give one of \
             each a node",
            proposal.ages_ms.len()
        )));
    }
    if !proposal.numbers.is_sorted_by(|left, right| left < right) {
        return Err(Refusal::invalid("the digest's node numbers are not ascending; sort them"));
    }
    Ok(())
}
