use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    super::Build,
    SimOptions,
    batch::{known, pace},
};
use crate::{
    error::ChaosError,
    record::{
        FailedSeed, FaultRecord, Injection, InvariantRecord, RunRecord, SeedsRecord, Verdict,
    },
    report::{Report, millis_of},
    sim::{FaultKind, SeedOutcome},
};

/// Seeds from which on a batch must have met every fault.
const ENOUGH_FOR_COVERAGE: usize = 100;

/// What the seeds of a batch came to.
#[derive(Default)]
pub(super) struct Tally {
    outcomes: BTreeMap<u64, SeedOutcome>,
    /// Runs that came to no outcome, and why.
    lost: BTreeMap<u64, Vec<String>>,
    repeated: BTreeMap<u64, String>,
    differing: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, seed: u64, outcome: Result<SeedOutcome, ChaosError>) {
        match outcome {
            Ok(outcome) => drop(self.outcomes.insert(seed, outcome)),
            Err(error) => drop(self.lost.insert(seed, vec![error.to_string()])),
        }
    }

    /// Holds two runs of a seed against each other.
    pub(super) fn compare(&mut self, one: &SeedOutcome, other: &SeedOutcome) {
        self.repeated.insert(one.seed, one.trace.0.clone());
        if one.trace != other.trace {
            self.differing.push(format!(
                "seed {} does not repeat itself: trace {} of {} events, then {} of {}",
                one.seed, one.trace.0, one.trace.1, other.trace.0, other.trace.1
            ));
        }
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &SeedOutcome> {
        self.outcomes.values()
    }

    /// Seeds that failed, why, and their outcome if there is one.
    pub(super) fn failed(&self) -> impl Iterator<Item = (u64, &[String], Option<&SeedOutcome>)> {
        let wrong = self.outcomes.values().filter(|outcome| !outcome.violations.is_empty());
        let wrong = wrong.map(|outcome| (outcome.seed, &*outcome.violations, Some(outcome)));
        let lost = self.lost.iter().map(|(seed, why)| (*seed, &**why, None));
        wrong.chain(lost)
    }

    fn faults(&self) -> impl Iterator<Item = &FaultRecord> {
        self.outcomes.values().flat_map(|outcome| &outcome.faults)
    }

    /// How often each fault was injected and skipped; every kind is there.
    fn coverage(&self) -> BTreeMap<String, (u64, u64)> {
        let mut coverage: BTreeMap<_, _> =
            FaultKind::ALL.iter().map(|kind| (kind.name(), (0, 0))).collect();
        for fault in self.faults() {
            let (injected, skipped) = coverage.entry(fault.fault.clone()).or_default();
            match fault.injection {
                Injection::Injected => *injected += 1,
                Injection::Skipped | Injection::Indeterminate => *skipped += 1,
            }
        }
        coverage
    }

    /// Each invariant over all seeds: violated if it ever was, held if it ever could have been broken.
    fn invariants(&self) -> Vec<InvariantRecord> {
        let mut all: BTreeMap<String, InvariantRecord> = BTreeMap::new();
        let mut held: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.outcomes.values().flat_map(|outcome| &outcome.invariants) {
            let sum = all.entry(record.invariant.clone()).or_insert_with(|| InvariantRecord {
                verdict: Verdict::Unknown,
                checked: 0,
                ..record.clone()
            });
            sum.checked += record.checked;
            match record.verdict {
                Verdict::Held => *held.entry(record.invariant.clone()).or_default() += 1,
                Verdict::Violated => sum.evidence.clone_from(&record.evidence),
                Verdict::Unknown => {}
            }
            sum.verdict = worst(sum.verdict, record.verdict);
        }
        for sum in all.values_mut().filter(|sum| sum.verdict != Verdict::Violated) {
            let seeds = held.get(&sum.invariant).copied().unwrap_or(0);
            sum.evidence = format!("held in {seeds} seeds");
        }
        all.into_values().collect()
    }
}

fn worst(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Violated, _) | (_, Verdict::Violated) => Verdict::Violated,
        (Verdict::Held, _) | (_, Verdict::Held) => Verdict::Held,
        (Verdict::Unknown, Verdict::Unknown) => Verdict::Unknown,
    }
}

/// What a batch of seeds came to.
#[derive(Clone, Debug, Serialize)]
pub struct SimReport {
    /// All of it, as it is left for the report.
    pub record: RunRecord,
    /// What must not be.
    pub violations: Vec<String>,
    #[serde(skip)]
    coverage: BTreeMap<String, (u64, u64)>,
    #[serde(skip)]
    calls: (u64, u64),
}

impl SimReport {
    pub(super) fn new(
        options: &SimOptions,
        tally: Tally,
        failed: Vec<FailedSeed>,
        (started_unix_ms, took, jobs): (u64, Duration, usize),
    ) -> Self {
        let known: Vec<u64> = known(options).into_iter().collect();
        let all = (tally.outcomes.len() + tally.lost.len()) as u64;
        let coverage = tally.coverage();
        let mut violations: Vec<String> = failed
            .iter()
            .map(|failed| {
                format!(
                    "seed {}: {}; replay: {}",
                    failed.seed,
                    failed.why.join("; "),
                    failed.replay
                )
            })
            .collect();
        violations.extend(tally.differing.iter().cloned());
        if tally.outcomes.len() >= ENOUGH_FOR_COVERAGE {
            let missed = coverage.iter().filter(|(_, (injected, _))| *injected == 0);
            violations.extend(missed.map(|(fault, _)| format!("no seed met {fault}")));
        }
        let injected = coverage.iter().map(|(fault, (injected, _))| (fault.clone(), *injected));
        let seeds = SeedsRecord {
            first: options.first,
            run: all - known.len() as u64,
            known,
            failed,
            seeds_per_minute_and_core: pace(all, took, jobs),
            simulated_ms: tally.outcomes().map(|outcome| outcome.simulated_ms).sum(),
            injected: injected.collect(),
            repeated: tally.repeated.clone(),
        };
        let calls = tally.outcomes().fold((0, 0), |(writes, reads), outcome| {
            (writes + outcome.calls.0, reads + outcome.calls.1)
        });
        let record = RunRecord {
            run: "sim".to_owned(),
            name: format!("seeds {} to {}", options.first, options.first + options.seeds - 1),
            command: format!(
                "navarch-chaos sim --first {} --seeds {}",
                options.first, options.seeds
            ),
            started_unix_ms,
            took_ms: millis_of(took),
            invariants: tally.invariants(),
            seeds: Some(seeds),
            ..Build::own().record()
        };
        Self { record, violations, coverage, calls }
    }
}

impl Report for SimReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let seeds = self.record.seeds.clone().unwrap_or_default();
        let row = |name: &str, text: String| vec![name.to_owned(), text];
        let (writes, reads) = self.calls;
        let simulated = Duration::from_millis(seeds.simulated_ms);
        let mut rows = vec![
            row("seeds", format!("{} run, {} failed", seeds.count(), seeds.failed.len())),
            row(
                "pace",
                format!("{:.1} seeds a minute and processor", seeds.seeds_per_minute_and_core),
            ),
            row("simulated", format!("{:.1} hours", simulated.as_secs_f64() / 3_600.0)),
            row("calls", format!("{writes} writes, {reads} reads")),
        ];
        for (seed, hash) in &seeds.repeated {
            rows.push(row(&format!("trace of seed {seed}"), format!("{hash}, twice")));
        }
        for (fault, (injected, skipped)) in &self.coverage {
            rows.push(row(fault, format!("{injected} injected, {skipped} skipped")));
        }
        for record in &self.record.invariants {
            let verdict = format!("{:?}", record.verdict).to_lowercase();
            rows.push(row(
                &record.invariant,
                format!("{verdict}: {} checked, {}", record.checked, record.evidence),
            ));
        }
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
