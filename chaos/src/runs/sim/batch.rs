use std::{collections::BTreeSet, ops::Range, time::Duration};

use futures::{StreamExt as _, stream};

use super::{
    SimOptions, SimReport,
    child::{play, processors},
    shrink::shrink,
    tally::Tally,
};
use crate::{
    error::ChaosError,
    host::Host,
    record::FailedSeed,
    runs::progress,
    sim::{Entropy, REGRESSIONS, SeedOptions, SeedOutcome},
};

/// Seeds of which the fewest faults are looked for.
const SHRUNK_AT_MOST: usize = 5;
/// How often progress is told: every so many seeds.
const TELL_EVERY: usize = 20;

/// Runs many seeds, and some of them twice.
///
/// # Errors
///
/// If the runs cannot be made. One that comes to no end is no error but a seed that failed.
pub async fn sim(host: &Host, options: SimOptions) -> Result<SimReport, ChaosError> {
    let entropy = Entropy::compile().await?;
    let (begun, started_unix_ms) = (host.clock.now(), host.clock.wall_ms());
    let seeds: Vec<u64> = known(&options).into_iter().chain(asked(&options)).collect();
    let jobs = options.jobs.unwrap_or_else(processors);
    let mut tally = Tally::default();
    let runs = seeds.iter().map(|&seed| {
        let entropy = &entropy;
        async move { (seed, play(host, entropy, &chosen(seed)).await) }
    });
    let mut runs = stream::iter(runs).buffer_unordered(jobs.max(1));
    let mut done = 0;
    while let Some((seed, outcome)) = runs.next().await {
        done += 1;
        tally.add(seed, outcome);
        if done % TELL_EVERY == 0 || done == seeds.len() {
            progress::say(done, seeds.len(), &format!("{} failed", tally.failed().count()));
        }
    }
    drop(runs);
    let took = host.clock.now().since(begun);
    repeat(host, &entropy, options.repeat, &mut tally).await?;
    let failed = explain(host, &entropy, &tally).await?;
    let timing = (started_unix_ms, took, jobs);
    let report = SimReport::new(&options, tally, failed, timing);
    if let Some(directory) = &options.record {
        report.record.save(directory)?;
    }
    Ok(report)
}

fn asked(options: &SimOptions) -> Range<u64> {
    options.first..options.first.saturating_add(options.seeds)
}

/// Those that found something once, but for those that are asked for anyway.
pub(super) fn known(options: &SimOptions) -> BTreeSet<u64> {
    let asked = asked(options);
    REGRESSIONS.iter().map(|(seed, _)| *seed).filter(|seed| !asked.contains(seed)).collect()
}

fn chosen(seed: u64) -> SeedOptions {
    SeedOptions { seed, ..SeedOptions::default() }
}

/// Runs the first few seeds again.
async fn repeat(
    host: &Host,
    entropy: &Entropy,
    count: u64,
    tally: &mut Tally,
) -> Result<(), ChaosError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let first: Vec<SeedOutcome> = tally.outcomes().take(count).cloned().collect();
    for outcome in first {
        let again = play(host, entropy, &chosen(outcome.seed)).await?;
        tally.compare(&outcome, &again);
    }
    Ok(())
}

/// Each failed seed with the line that replays it.
async fn explain(
    host: &Host,
    entropy: &Entropy,
    tally: &Tally,
) -> Result<Vec<FailedSeed>, ChaosError> {
    let mut failed = Vec::new();
    for (seed, why, outcome) in tally.failed() {
        let mut replay = format!("navarch-chaos sim --seed {seed}");
        if let Some(outcome) = outcome
            && failed.len() < SHRUNK_AT_MOST
        {
            let kept = shrink(host, entropy, outcome).await?;
            replay = format!("{replay} --only {kept}");
        }
        failed.push(FailedSeed { seed, why: why.to_vec(), replay });
    }
    Ok(failed)
}

/// Seeds a minute and processor.
#[allow(clippy::cast_precision_loss, reason = "seeds and processors are few")]
pub(super) fn pace(seeds: u64, took: Duration, jobs: usize) -> f64 {
    let minutes = took.as_secs_f64() / 60.0;
    if minutes > 0.0 { seeds as f64 / minutes / jobs.max(1) as f64 } else { 0.0 }
}
