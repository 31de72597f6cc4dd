use super::child::play;
use crate::{
    error::ChaosError,
    host::Host,
    sim::{Entropy, Kept, SeedOptions, SeedOutcome},
};

/// Leaves out one fault after the other for as long as the run still fails.
///
/// # Errors
///
/// If a run cannot be made.
pub(super) async fn shrink(
    host: &Host,
    entropy: &Entropy,
    failed: &SeedOutcome,
) -> Result<Kept, ChaosError> {
    let mut kept = Kept::first(failed.faults.len());
    for number in (0..failed.faults.len()).rev() {
        let fewer = kept.without(number);
        let options =
            SeedOptions { seed: failed.seed, only: Some(fewer.clone()), ..SeedOptions::default() };
        if fails(play(host, entropy, &options).await) {
            kept = fewer;
        }
    }
    Ok(kept)
}

/// A run that comes to no outcome fails as well.
fn fails(played: Result<SeedOutcome, ChaosError>) -> bool {
    played.map_or(true, |outcome| !outcome.violations.is_empty())
}
