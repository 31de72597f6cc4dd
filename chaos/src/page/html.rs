use maud::{DOCTYPE, Markup, PreEscaped, html as template};

use super::{
    Digest, Outcome,
    measured::{availability, rejoin},
    planted::planted,
    sections::{coverage, invariants, runs, seeds},
    words::moment,
};

const STYLE: &str = include_str!("style.css");

/// The page: one file, without a script, and without anything that it would have to load.
pub fn html(digest: &Digest) -> String {
    let (first, last) = digest.span();
    let page = template! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Navarch under faults" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.(class(digest.outcome())) {
                    p.kicker { "Navarch under faults" }
                    h1 { span.mark aria-hidden="true" { (mark(digest.outcome())) } (digest.outcome().headline()) }
                    p { (moment(first)) " to " (moment(last)) @for build in digest.builds() { " · " (build) } }
                    (totals(digest))
                }
                main {
                    (absent(digest))
                    (invariants(digest))
                    (availability(digest))
                    (rejoin(digest))
                    (planted(digest))
                    (coverage(digest))
                    (seeds(digest))
                    (runs(digest))
                }
                footer {
                    "Written by " code { "navarch-chaos report" } ". Each fault is injected, skipped or indeterminate; a check \
                     that came to no end is never a pass."
                }
            }
        }
    };
    page.into_string()
}

/// The shape of a verdict: colour is never all that tells it.
fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Violated => "✘",
        Outcome::Unknown | Outcome::Nothing => "?",
        Outcome::Missed => "!",
        Outcome::Held => "✔",
    }
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Violated => "violated",
        Outcome::Unknown | Outcome::Nothing => "unknown",
        Outcome::Missed => "missed",
        Outcome::Held => "held",
    }
}

fn totals(digest: &Digest) -> Markup {
    template! {
        dl.totals {
            @for (name, value) in digest.totals() {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// What a reader might take for granted and does not find here.
fn absent(digest: &Digest) -> Markup {
    template! {
        @if !digest.misses.is_empty() {
            section.notice.missed aria-labelledby="misses" {
                h2 id="misses" { "Figures that miss their targets" }
                ul { @for miss in &digest.misses { li { (miss) } } }
            }
        }
        @if !digest.missing.is_empty() {
            section.notice.unknown aria-labelledby="missing" {
                h2 id="missing" { "What this report does not show" }
                ul { @for what in &digest.missing { li { (what) } } }
            }
        }
    }
}
