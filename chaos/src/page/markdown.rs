use super::{
    Digest,
    findings::title,
    measured::recovery,
    words::{bytes, count, duration, millis, moment, number},
};
use crate::{
    record::{AvailabilityRecord, RunRecord, Verdict},
    report::Spread,
    sim::REGRESSIONS,
};

/// Pieces of evidence that are shown of an invariant.
const MOST_EVIDENCE: usize = 5;

/// Runs of a kind that are named one by one; of more only their number is told.
const MOST_NAMES: usize = 12;

/// The short form: what was run, what was found.
pub fn markdown(digest: &Digest) -> String {
    let (first, last) = digest.span();
    let builds = digest.builds().join(", ");
    let mut parts = vec![
        "# Navarch under faults".to_owned(),
        "Written by `navarch-chaos report`; edits are lost.".to_owned(),
        format!("**{}**", digest.outcome().headline()),
        cell(&format!("{} to {}: {builds}", moment(first), moment(last))),
        listed(digest.totals().iter().map(|(name, value)| format!("{name}: {value}"))),
    ];
    if !digest.misses.is_empty() {
        parts.push("## Figures that miss their targets".to_owned());
        parts.push(listed(digest.misses.iter().cloned()));
    }
    if !digest.missing.is_empty() {
        parts.push("## What this report does not show".to_owned());
        parts.push(listed(digest.missing.iter().cloned()));
    }
    parts.extend(invariants(digest));
    parts.extend(availability(digest));
    parts.extend(rejoin(digest));
    parts.extend(bugs(digest));
    parts.extend(coverage(digest));
    parts.extend(seeds(digest));
    parts.extend(runs(digest));
    parts.join("\n\n") + "\n"
}

fn invariants(digest: &Digest) -> [String; 2] {
    let rows = digest.findings.iter().map(|finding| {
        let verdict = match finding.verdict {
            Verdict::Held => "held",
            Verdict::Violated => "**VIOLATED**",
            Verdict::Unknown => "**unknown**",
        };
        let evidence = finding.evidence.iter().take(MOST_EVIDENCE);
        let evidence = evidence.map(|(run, evidence)| format!("{run}: {evidence}"));
        let runs = finding.held + finding.violated + finding.unknown;
        vec![
            verdict.to_owned(),
            cell(&finding.invariant),
            number(runs),
            number(finding.checked),
            cell(&evidence.collect::<Vec<_>>().join("; ")),
        ]
    });
    let table = table(&["verdict", "invariant", "runs", "checked", "evidence"], rows.collect());
    [
        "## What must hold".to_owned(),
        table.unwrap_or_else(|| "No invariant was checked.".to_owned()),
    ]
}

fn availability(digest: &Digest) -> [String; 2] {
    let half = |spread: Option<Spread>| spread.map_or_else(dash, |spread| millis(spread.p50_ms));
    let rows = digest.availability().map(|(_, record)| {
        let AvailabilityRecord { fault, load, system, first_write: wait, .. } = record;
        let claimed = record.target().map_or_else(dash, |target| {
            let met = if record.misses().is_empty() { "met" } else { "**missed**" };
            format!("{}: {met}", target.words())
        });
        let mut row = vec![cell(fault), cell(load), cell(system), number(wait.count as u64)];
        row.extend([wait.p50_ms, wait.p99_ms, wait.max_ms].map(millis));
        row.push(claimed);
        row.extend([record.detect, record.elect, record.first_act].map(half));
        row.push(recovery(record).map_or_else(dash, |(back, seen)| {
            seen.map_or_else(|| back.clone(), |seen| format!("{back}, {seen}"))
        }));
        row.push(number(record.failed_calls));
        row
    });
    let header = [
        "fault",
        "load",
        "system",
        "times",
        "p50",
        "p99",
        "longest",
        "claimed",
        "detect",
        "elect",
        "first act",
        "throughput back",
        "failed calls",
    ];
    let none = || "Nothing in this folder measures how long clients wait after a fault.".to_owned();
    ["## How long clients waited".to_owned(), table(&header, rows.collect()).unwrap_or_else(none)]
}

fn rejoin(digest: &Digest) -> Vec<String> {
    let rows = digest.runs.iter().flat_map(|run| &run.rejoin).map(|record| {
        let snapshot = match record.snapshot_bytes {
            0 => "none: the log".to_owned(),
            size => bytes(size),
        };
        let (p50, max) = (millis(record.took.p50_ms), millis(record.took.max_ms));
        vec![number(record.nodes), snapshot, number(record.took.count as u64), p50, max]
    });
    let table = table(&["nodes", "snapshot", "times", "p50", "longest"], rows.collect());
    table.map_or_else(Vec::new, |table| vec!["## Replicas that lost their disk".to_owned(), table])
}

fn bugs(digest: &Digest) -> Vec<String> {
    let rows = digest.bugs().map(|bug| {
        let found_by = if bug.found_by.is_empty() { dash() } else { bug.found_by.join(", ") };
        let took = duration(bug.took_ms);
        vec![cell(&bug.bug), cell(&found_by), took, cell(&bug.outcome())]
    });
    let table = table(&["bug", "found by", "after", "what it told"], rows.collect());
    table.map_or_else(Vec::new, |table| {
        vec!["## Bugs that were planted, to be found".to_owned(), table]
    })
}

fn coverage(digest: &Digest) -> [String; 2] {
    let rows = digest.coverage.iter().map(|(fault, of)| {
        let mut row = vec![cell(fault)];
        row.extend([of.injected, of.simulated, of.skipped, of.indeterminate].map(number));
        row.push(cell(&of.why.iter().cloned().collect::<Vec<_>>().join("; ")));
        row
    });
    let header = ["fault", "injected", "in simulation", "skipped", "indeterminate", "why not"];
    let none = || "No fault is recorded in this folder.".to_owned();
    ["## What was tried".to_owned(), table(&header, rows.collect()).unwrap_or_else(none)]
}

fn seeds(digest: &Digest) -> Vec<String> {
    let mut parts = vec!["## Simulated seeds".to_owned()];
    let Some(all) = &digest.simulated else {
        parts.push("There are no simulated seeds in this folder.".to_owned());
        return parts;
    };
    parts.push(format!(
        "{} in {}, {} of simulated time, {:.0} seeds a minute and core at best and {:.0} in the middle; {} failed; {} run twice with the same trace.",
        count(all.seeds, "seed", "seeds"),
        count(all.records, "run", "runs"),
        duration(all.simulated_ms),
        all.seeds_per_minute_and_core,
        all.middle_pace,
        number(all.failed.len() as u64),
        number(all.repeated.len() as u64),
    ));
    let known = REGRESSIONS.iter().map(|(seed, found)| vec![seed.to_string(), cell(found)]);
    parts.extend(table(
        &["found a bug once", "which, and is run with every batch since"],
        known.collect(),
    ));
    for (name, failed) in [("failed", &all.failed), ("failed once, mended since", &all.mended)] {
        let rows = failed.iter().map(|seed| {
            vec![seed.seed.to_string(), cell(&seed.why.join("; ")), code(&seed.replay)]
        });
        parts.extend(table(&[name, "found", "replay"], rows.collect()));
    }
    parts
}

fn runs(digest: &Digest) -> [String; 3] {
    let mut kinds: Vec<&str> = digest.runs.iter().map(|run| &*run.run).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut rows = Vec::new();
    for kind in kinds {
        let alike: Vec<_> = digest.runs.iter().filter(|run| run.run == kind).collect();
        if alike.len() > MOST_NAMES {
            let (took, faults) = (
                alike.iter().map(|run| run.took_ms).sum(),
                alike.iter().map(|run| run.faults.len() as u64).sum(),
            );
            let newest = alike.last().map_or("", |run| &run.command);
            let name = format!("{kind}: {} runs", number(alike.len() as u64));
            let programs = programs(&alike);
            rows.push(vec![cell(&name), duration(took), number(faults), programs, code(newest)]);
            continue;
        }
        rows.extend(alike.iter().map(|run| {
            let faults = number(run.faults.len() as u64);
            let (took, program) = (duration(run.took_ms), code(&run.program));
            vec![cell(&title(run)), took, faults, program, code(&run.command)]
        }));
    }
    let table = table(&["run", "took", "faults", "program", "command"], rows);
    let about =
        "A program is told by the first digits of its SHA-256; earlier records did not keep it.";
    ["## Runs".to_owned(), about.to_owned(), table.unwrap_or_default()]
}

/// The programs that runs of one kind tried: how many, if there is no room for their names.
fn programs(runs: &[&RunRecord]) -> String {
    let mut programs: Vec<_> = runs.iter().map(|run| &*run.program).collect();
    programs.retain(|program| !program.is_empty());
    programs.sort_unstable();
    programs.dedup();
    match programs[..] {
        [] => String::new(),
        [only] => code(only),
        _ => format!("{} programs", number(programs.len() as u64)),
    }
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let head = line(header.iter().map(|name| (*name).to_owned()).collect());
    let rule = line(header.iter().map(|_| "---".to_owned()).collect());
    let lines = [head, rule].into_iter().chain(rows.into_iter().map(line));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn listed(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {}", cell(&line))).collect::<Vec<_>>().join("\n")
}

fn dash() -> String {
    "–".to_owned()
}

/// Text that can break neither a table nor a line, and is no markup.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => {
                safe.push('\\');
                safe.push(letter);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// A command line in a table; nothing if it is empty.
fn code(text: &str) -> String {
    let text = text.replace(['`', '\n', '\r'], " ").replace('|', "\\|");
    if text.is_empty() { text } else { format!("`{text}`") }
}
