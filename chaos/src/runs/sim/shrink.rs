use super::child::play;
use crate::{
    error::ChaosError,
    host::Host,
    sim::{Entropy, SeedOptions, SeedOutcome},
};

/// Leaves out one fault after the other for as long as the run still fails: the numbers of those that are left.
///
/// # Errors
///
/// If a run cannot be made.
pub(super) async fn shrink(
    host: &Host,
    entropy: &Entropy,
    failed: &SeedOutcome,
) -> Result<Vec<usize>, ChaosError> {
    let mut kept: Vec<usize> = (0..failed.faults.len()).collect();
    for number in (0..failed.faults.len()).rev() {
        let fewer: Vec<usize> = kept.iter().copied().filter(|kept| *kept != number).collect();
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
