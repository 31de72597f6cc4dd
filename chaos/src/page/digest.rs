use std::collections::BTreeMap;

use super::{
    coverage::{Coverage, cuts_the_leader_off},
    findings::Finding,
    simulated::Simulated,
    words::{count, number},
};
use crate::record::{AvailabilityRecord, BugRecord, RunRecord, Verdict};

/// Kinds of runs that a full report has, and what is missing without them.
const KINDS: [(&str, &str); 6] = [
    ("sim", "no simulated seeds in this folder"),
    ("scenario", "no scenario against processes in this folder"),
    ("availability", "nothing in this folder measures how long clients wait after a fault"),
    ("power-loss", "no loss of power in this folder"),
    ("mutants", "nothing in this folder shows that the checks catch planted bugs"),
    ("rest", "no group at rest in this folder: elections without a fault were not counted"),
];

/// All records, added up.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The records, oldest first.
    pub runs: Vec<RunRecord>,
    /// Each invariant, the broken ones first.
    pub findings: Vec<Finding>,
    /// Each fault.
    pub coverage: BTreeMap<String, Coverage>,
    /// Simulated seeds.
    pub simulated: Option<Simulated>,
    /// Figures that miss their targets.
    pub misses: Vec<String>,
    /// What this report lacks.
    pub missing: Vec<String>,
}

/// What all of it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was broken.
    Violated,
    /// Something came to no end, or had nothing to check.
    Unknown,
    /// All held, and a figure misses its target.
    Missed,
    /// Nothing was checked.
    Nothing,
    /// All that was checked held.
    Held,
}

impl Outcome {
    /// The headline.
    pub fn headline(self) -> &'static str {
        match self {
            Self::Violated => "Something that must hold was broken",
            Self::Unknown => "Not everything that was checked is known to hold",
            Self::Missed => "Everything that was checked held; figures miss their targets",
            Self::Nothing => "Nothing was checked",
            Self::Held => "Everything that was checked held",
        }
    }
}

impl Digest {
    /// Adds `runs` up, oldest first.
    pub fn of(runs: Vec<RunRecord>) -> Self {
        let simulated = Simulated::of(&runs);
        let injected = simulated.as_ref().map(|all| all.injected.clone()).unwrap_or_default();
        let coverage = Coverage::of(&runs, &injected);
        let late = availability(&runs).flat_map(|(_, of)| of.misses());
        let misses = late.chain(simulated.as_ref().and_then(Simulated::miss)).collect();
        let missing = missing(&runs, &coverage);
        let findings = Finding::all(&runs);
        Self { runs, findings, coverage, simulated, misses, missing }
    }

    /// What all of it comes to.
    pub fn outcome(&self) -> Outcome {
        let failed = self.simulated.as_ref().is_some_and(|all| !all.failed.is_empty());
        let any = |verdict| self.findings.iter().any(|finding| finding.verdict == verdict);
        let seeds = self.simulated.as_ref().map_or(0, |all| all.seeds);
        match () {
            () if failed || any(Verdict::Violated) => Outcome::Violated,
            () if any(Verdict::Unknown) => Outcome::Unknown,
            () if !self.misses.is_empty() => Outcome::Missed,
            () if self.findings.is_empty() && seeds == 0 => Outcome::Nothing,
            () => Outcome::Held,
        }
    }

    /// How many invariants came to `verdict`.
    pub fn verdicts(&self, verdict: Verdict) -> u64 {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count() as u64
    }

    /// Figures with their names, for the head of the report.
    pub(super) fn totals(&self) -> Vec<(String, String)> {
        let sum = |of: fn(&Coverage) -> u64| self.coverage.values().map(of).sum::<u64>();
        let took_ms = self.runs.iter().map(|run| run.took_ms).sum();
        let kinds = self.coverage.values().filter(|fault| fault.took_place()).count() as u64;
        let mut totals = vec![
            (count(self.runs.len() as u64, "run", "runs"), super::words::duration(took_ms)),
            (
                "faults injected".to_owned(),
                format!("{} of {kinds} kinds", number(sum(|of| of.injected + of.simulated))),
            ),
            (
                "faults not injected".to_owned(),
                format!(
                    "{} skipped, {} indeterminate",
                    number(sum(|of| of.skipped)),
                    number(sum(|of| of.indeterminate))
                ),
            ),
            (
                "invariants".to_owned(),
                format!(
                    "{} violated, {} unknown, {} held",
                    self.verdicts(Verdict::Violated),
                    self.verdicts(Verdict::Unknown),
                    self.verdicts(Verdict::Held)
                ),
            ),
        ];
        if let Some(all) = &self.simulated {
            let failed = all.failed.len() as u64;
            let text = format!("{} run, {} failed", number(all.seeds), number(failed));
            totals.push(("simulated seeds".to_owned(), text));
        }
        let calls = self.runs.iter().flat_map(|run| &run.load);
        let (told, failed) = calls.fold((0, 0), |(told, failed), point| {
            (told + point.acknowledged, failed + point.failed)
        });
        if told + failed > 0 {
            let text = format!("{} acknowledged, {} failed", number(told), number(failed));
            totals.push(("calls under load".to_owned(), text));
        }
        totals
    }

    /// Each build that was tried.
    pub(super) fn builds(&self) -> Vec<&str> {
        let mut builds: Vec<_> = self.runs.iter().map(|run| &*run.build).collect();
        builds.retain(|build| !build.is_empty());
        builds.sort_unstable();
        builds.dedup();
        builds
    }

    /// When the first run began and the last one ended, milliseconds since the Unix epoch.
    pub(super) fn span(&self) -> (u64, u64) {
        let first = self.runs.iter().map(|run| run.started_unix_ms).min().unwrap_or(0);
        let last = self.runs.iter().map(|run| run.started_unix_ms + run.took_ms).max();
        (first, last.unwrap_or(0))
    }

    /// What was measured of availability, with the run that measured it.
    pub(super) fn availability(&self) -> impl Iterator<Item = (&RunRecord, &AvailabilityRecord)> {
        availability(&self.runs)
    }

    /// Bugs that were planted, each as the newest run that hunted it tells, in the order of their names.
    pub(super) fn bugs(&self) -> impl Iterator<Item = &BugRecord> {
        let newest: BTreeMap<&str, &BugRecord> =
            self.runs.iter().flat_map(|run| &run.bugs).map(|bug| (&*bug.bug, bug)).collect();
        newest.into_values()
    }
}

fn availability(runs: &[RunRecord]) -> impl Iterator<Item = (&RunRecord, &AvailabilityRecord)> {
    runs.iter().flat_map(|run| run.availability.iter().map(move |of| (run, of)))
}

fn missing(runs: &[RunRecord], coverage: &BTreeMap<String, Coverage>) -> Vec<String> {
    let there = |kind: &str| runs.iter().any(|run| run.run == kind && took_place(run));
    let kinds = KINDS.iter().filter(|(kind, _)| !there(kind));
    let mut missing: Vec<_> = kinds.map(|(kind, words)| format!("{kind}: {words}")).collect();
    let mut faults = coverage.iter().filter(|(_, of)| of.took_place());
    if !faults.any(|(fault, _)| cuts_the_leader_off(fault)) {
        missing.push(
            "no partition left a leader in the minority: by our own rule these runs do not count"
                .to_owned(),
        );
    }
    if runs.iter().all(|run| run.load.is_empty()) {
        missing.push("no run in this folder measured throughput over time".to_owned());
    }
    missing
}

/// A record may say no more than that its run was skipped.
fn took_place(run: &RunRecord) -> bool {
    let RunRecord { invariants, availability, rejoin, bugs, seeds, .. } = run;
    let measured = !(availability.is_empty() && rejoin.is_empty());
    seeds.is_some() || measured || !(invariants.is_empty() && bugs.is_empty())
}
