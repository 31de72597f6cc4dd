use maud::{Markup, html};

use super::{
    Digest,
    around::around,
    findings::{Finding, title},
    simulated::Simulated,
    timeline::timeline,
    words::{count, duration, moment, number},
};
use crate::{
    record::{FailedSeed, RunRecord, Verdict},
    sim::REGRESSIONS,
};

/// How many seeds and hashes are shown.
const MOST_SEEDS: usize = 50;
const MOST_HASHES: usize = 5;

/// A verdict as a word with a shape.
fn verdict(verdict: Verdict) -> Markup {
    let (class, mark, word) = match verdict {
        Verdict::Held => ("held", "✔", "held"),
        Verdict::Violated => ("violated", "✘", "violated"),
        Verdict::Unknown => ("unknown", "?", "unknown"),
    };
    html! { span.verdict.(class) { span aria-hidden="true" { (mark) } " " (word) } }
}

/// What must hold.
pub(super) fn invariants(digest: &Digest) -> Markup {
    html! {
        section aria-labelledby="invariants" {
            h2 id="invariants" { "What must hold" }
            @if digest.findings.is_empty() {
                p.none { "No invariant was checked in this folder." }
            } @else {
                div.scroll { table {
                    caption { "Every invariant, with what shows it; what is broken or unknown comes first" }
                    thead { tr { th { "Verdict" } th { "Invariant" } th.number { "Runs" } th.number { "Checked" } th { "Evidence" } } }
                    tbody { @for finding in &digest.findings { (row(finding)) } }
                } }
            }
        }
    }
}

fn row(finding: &Finding) -> Markup {
    let runs = finding.held + finding.violated + finding.unknown;
    html! {
        tr {
            td { (verdict(finding.verdict)) }
            th scope="row" { code { (finding.invariant) } }
            td.number {
                (number(runs))
                @if finding.violated + finding.unknown > 0 {
                    br; small { (number(finding.violated)) " violated, " (number(finding.unknown)) " unknown" }
                }
            }
            td.number { (number(finding.checked)) }
            td.evidence {
                @for (run, evidence) in &finding.evidence { p { span.run { (run) } " " (evidence) } }
            }
        }
    }
}

/// What was tried.
pub(super) fn coverage(digest: &Digest) -> Markup {
    html! {
        section aria-labelledby="coverage" {
            h2 id="coverage" { "What was tried" }
            @if digest.coverage.is_empty() {
                p.none { "No fault is recorded in this folder." }
            } @else {
                div.scroll { table {
                    caption { "Every fault: how often it was injected into processes and in simulation, skipped, or indeterminate" }
                    thead { tr {
                        th { "Fault" } th.number { "Injected" } th.number { "In simulation" } th.number { "Skipped" }
                        th.number { "Indeterminate" } th { "Why not" }
                    } }
                    tbody {
                        @for (fault, of) in &digest.coverage {
                            tr.never[!of.took_place()] {
                                th scope="row" { code { (fault) } }
                                @for value in [of.injected, of.simulated, of.skipped, of.indeterminate] {
                                    td.number { @if value == 0 { span.zero { "–" } } @else { (number(value)) } }
                                }
                                td.evidence {
                                    @if !of.took_place() { strong { "never took place. " } }
                                    @for why in &of.why { p { (why) } }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// What was simulated.
pub(super) fn seeds(digest: &Digest) -> Markup {
    html! {
        section aria-labelledby="seeds" {
            h2 id="seeds" { "Simulated seeds" }
            @match &digest.simulated {
                None => p.none { "There are no simulated seeds in this folder." },
                Some(all) => (simulated(all)),
            }
        }
    }
}

fn simulated(all: &Simulated) -> Markup {
    html! {
        p {
            (count(all.seeds, "seed", "seeds")) " in " (count(all.records, "run", "runs")) ", "
            (duration(all.simulated_ms)) " of simulated time, "
            (format!("{:.0}", all.seeds_per_minute_and_core)) " seeds a minute and core at best, "
            (format!("{:.0}", all.middle_pace)) " in the middle of all runs. "
            @if all.failed.is_empty() { "None failed." } @else { strong { (number(all.failed.len() as u64)) " failed." } }
        }
        (failed(&all.failed, "Seeds that failed, and the line that replays each"))
        div.scroll { table {
            caption { "Seeds that found a bug once; each is run with every batch since" }
            thead { tr { th.number { "Seed" } th { "Found" } } }
            tbody { @for (seed, found) in REGRESSIONS {
                tr { th.number scope="row" { (seed) } td.evidence { (found) } }
            } }
        } }
        (failed(&all.mended, "Seeds that failed in an older run and not in a newer one"))
        @if all.repeated.is_empty() {
            p.none { "No seed was run twice: nothing shows here that a seed repeats itself." }
        } @else {
            p {
                (count(all.repeated.len() as u64, "seed was", "seeds were"))
                " run twice, with the same trace both times; trace hashes, for instance: "
                @for (seed, hash) in all.repeated.iter().take(MOST_HASHES) { code { (seed) " " (hash) } " " }
            }
        }
    }
}

fn failed(seeds: &[FailedSeed], caption: &str) -> Markup {
    html! {
        @if !seeds.is_empty() {
            div.scroll { table {
                caption { (caption) }
                thead { tr { th.number { "Seed" } th { "Found" } th { "Replay" } } }
                tbody { @for seed in seeds.iter().take(MOST_SEEDS) {
                    tr {
                        th.number scope="row" { (seed.seed) }
                        td.evidence { @for why in &seed.why { p { (why) } } }
                        td { code { (seed.replay) } }
                    }
                } }
            } }
            @if seeds.len() > MOST_SEEDS { p { "and " (number((seeds.len() - MOST_SEEDS) as u64)) " more" } }
        }
    }
}

/// Every run, the newest first.
pub(super) fn runs(digest: &Digest) -> Markup {
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            @for run in digest.runs.iter().rev() { (one(run)) }
        }
    }
}

fn one(run: &RunRecord) -> Markup {
    let worst = run.invariants.iter().map(|record| record.verdict);
    let worst = worst.min_by_key(|worst| match worst {
        Verdict::Violated => 0,
        Verdict::Unknown => 1,
        Verdict::Held => 2,
    });
    html! {
        article {
            h3 { (title(run)) @if let Some(worst) = worst { " " (verdict(worst)) } }
            p.hint {
                (moment(run.started_unix_ms)) ", " (duration(run.took_ms)) ", "
                (count(run.faults.len() as u64, "fault", "faults"))
                @if !run.program.is_empty() { ", program " code { (run.program) } }
                @if run.load.is_empty() { ", no load was measured" }
            }
            @if !run.command.is_empty() { pre { code { (run.command) } } }
            (timeline(run))
            (around(run))
        }
    }
}
