use futures::{StreamExt as _, stream};
use navarch_host::planted::{Bug, POSSIBLE};

use super::child::{play, processors};
use crate::{
    error::ChaosError,
    host::Host,
    record::{InvariantRecord, Verdict},
    sim::{Entropy, SeedOptions},
};

/// Runs one seed after the other, `most` at most, with a planted bug, until one breaks an invariant of `found_by`: what that
/// seed's invariants came to, or nothing.
///
/// # Errors
///
/// If this build can have no bugs, or a run cannot be made.
pub(in crate::runs) async fn hunt(
    host: &Host,
    bug: Bug,
    found_by: &[&str],
    most: u64,
) -> Result<Vec<InvariantRecord>, ChaosError> {
    if !POSSIBLE {
        let problem = "this program can have no bugs; build it with `--features planted-bugs`";
        return Err(ChaosError::Tool {
            program: "simulation".to_owned(),
            problem: problem.to_owned(),
        });
    }
    let entropy = Entropy::compile().await?;
    let runs = (0..most).map(|seed| {
        let options = SeedOptions { seed, bug: Some(bug), ..SeedOptions::default() };
        let entropy = &entropy;
        async move { (seed, play(host, entropy, &options).await) }
    });
    let mut runs = stream::iter(runs).buffered(processors());
    while let Some((seed, outcome)) = runs.next().await {
        let mut broken = outcome?.invariants;
        broken.retain(|record| record.verdict == Verdict::Violated);
        if broken.iter().any(|record| found_by.contains(&&*record.invariant)) {
            for record in &mut broken {
                record.evidence = format!("seed {seed}: {}", record.evidence);
            }
            return Ok(broken);
        }
    }
    Ok(Vec::new())
}
