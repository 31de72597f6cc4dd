use std::{fs, path::Path};

use super::{Digest, Outcome, html, markdown};
use crate::{
    record::{
        AvailabilityRecord, BugRecord, FailedSeed, FaultRecord, Injection, InvariantRecord,
        LoadPoint, RunRecord, SeedsRecord, Verdict,
    },
    report::Spread,
};

fn invariant(name: &str, verdict: Verdict) -> InvariantRecord {
    let evidence = format!("evidence of {name}");
    InvariantRecord { invariant: name.to_owned(), verdict, checked: 3, evidence }
}

fn run(run: &str, invariants: Vec<InvariantRecord>) -> RunRecord {
    RunRecord { run: run.to_owned(), name: "n".to_owned(), invariants, ..RunRecord::default() }
}

fn both(runs: Vec<RunRecord>) -> [String; 2] {
    let digest = Digest::of(runs);
    [html(&digest), markdown(&digest)]
}

fn kill(system: &str, max_ms: f64) -> AvailabilityRecord {
    AvailabilityRecord {
        system: system.to_owned(),
        fault: "kill".to_owned(),
        load: "idle".to_owned(),
        detect: None,
        elect: None,
        first_write: Spread { count: 1, p50_ms: 612.0, p99_ms: max_ms, max_ms },
        first_act: None,
        recovery: None,
        lowest_percent: None,
        failed_calls: 0,
        acknowledged_calls: 1,
    }
}

/// Without it a broken invariant could stand below a page of good news, or under a headline that says all is well.
#[test]
fn what_is_broken_comes_first() {
    let records = vec![
        run(
            "scenario",
            vec![invariant("aaa-held", Verdict::Held), invariant("ccc", Verdict::Held)],
        ),
        run(
            "scenario",
            vec![invariant("bbb-open", Verdict::Unknown), invariant("ccc", Verdict::Violated)],
        ),
    ];
    for text in both(records) {
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
        assert!(at("evidence of ccc") < at("evidence of bbb-open"), "{text}");
        assert!(at("evidence of bbb-open") < at("evidence of aaa-held"), "{text}");
        assert!(at("Something that must hold was broken") < at("evidence of ccc"), "{text}");
    }
}

/// Without it a report of nothing would read like one in which nothing was found.
#[test]
fn what_is_missing_is_said() {
    let records = vec![run("rest", vec![invariant("no-election", Verdict::Held)])];
    for text in both(records) {
        for missing in [
            "no simulated seeds in this folder",
            "no scenario against processes in this folder",
            "no loss of power in this folder",
            "catch planted bugs",
            "no partition left a leader in the minority",
            "measured throughput over time",
            "No fault is recorded in this folder",
        ] {
            assert!(text.contains(missing), "no {missing:?} in {text}");
        }
        assert!(!text.contains("no group at rest"), "{text}");
    }
}

/// Without it a node's name, or an error message, could become part of the page.
#[test]
fn nothing_that_a_record_holds_is_markup() {
    let evil = "<script>x</script> | **b**";
    let mut record = run(evil, vec![invariant(evil, Verdict::Held)]);
    record.command = evil.to_owned();
    record.build = evil.to_owned();
    record.program = evil.to_owned();
    record.faults.push(FaultRecord {
        fault: evil.to_owned(),
        targets: vec![evil.to_owned()],
        from_ms: 0,
        until_ms: None,
        injection: Injection::Skipped,
        why: evil.to_owned(),
    });
    record.load.push(LoadPoint { length_ms: 100, acknowledged: 1, ..LoadPoint::default() });
    record.availability.push(AvailabilityRecord { load: evil.to_owned(), ..kill(evil, 1.0) });
    let why = vec![evil.to_owned()];
    let failed = vec![FailedSeed { seed: 1, why, replay: evil.to_owned() }];
    record.seeds = Some(SeedsRecord { first: 1, run: 1, failed, ..SeedsRecord::default() });
    let [page, short] = both(vec![record]);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    // In Markdown a command is code, in which nothing is markup but a bar ends a cell.
    let outside = |line: &str| line.split('`').step_by(2).collect::<String>();
    for line in short.lines() {
        assert!(!outside(line).contains("<script"), "{line}");
        assert!(!line.replace("\\|", "").contains("x</script> |"), "{line}");
    }
}

/// Without it the page would not open on a machine without a network, or fetch what nobody asked for.
#[test]
fn the_page_stands_alone() {
    let [page, _] = both(vec![run("scenario", Vec::new())]);
    for outward in ["http://", "https://", "src=", "@import", "url(", "<link", "<script"] {
        assert!(!page.contains(outward), "{outward}");
    }
}

/// Without it a slow release would be told as one that keeps its word.
#[test]
fn a_missed_target_is_no_clean_bill() {
    let of = |max_ms: f64| {
        let availability = vec![kill("navarch", max_ms), kill("etcd", 1_970.0)];
        let invariants = vec![invariant("writes-are-answered", Verdict::Held)];
        RunRecord { availability, ..run("availability", invariants) }
    };
    assert_eq!(Digest::of(vec![of(1_400.0)]).outcome(), Outcome::Held);
    assert_eq!(Digest::of(vec![of(1_600.0)]).outcome(), Outcome::Missed);
    for text in both(vec![of(1_600.0)]) {
        assert!(text.contains("figures miss their targets") && text.contains("1.60 s"), "{text}");
        assert!(text.contains("etcd") && text.contains("1.97 s"), "{text}");
    }
}

/// Without it nothing but skipped runs, or a seed that failed, could end in a pass.
#[test]
fn an_outcome_needs_something_that_was_checked() {
    assert_eq!(Digest::of(vec![run("scenario", Vec::new())]).outcome(), Outcome::Nothing);
    let failed = vec![FailedSeed { seed: 7, why: Vec::new(), replay: "sim --seed 7".to_owned() }];
    let seeds = SeedsRecord { first: 1, run: 10, failed, ..SeedsRecord::default() };
    let record = RunRecord { seeds: Some(seeds), ..run("sim", Vec::new()) };
    assert_eq!(Digest::of(vec![record.clone()]).outcome(), Outcome::Violated);
    for text in both(vec![record]) {
        assert!(text.contains("sim --seed 7"), "{text}");
    }
}

/// Without it a bug that the checks miss would not be told, or one that an older build missed for ever.
#[test]
fn planted_bugs_are_told_by_their_newest_hunt() {
    let hunt = |found_by: &[&str], gap: &str| {
        let bug = BugRecord {
            bug: "drop-fence".to_owned(),
            found_by: found_by.iter().map(|&name| name.to_owned()).collect(),
            told: "session 2 acted".to_owned(),
            gap: gap.to_owned(),
            took_ms: 3_000,
        };
        RunRecord { bugs: vec![bug], ..run("mutants", Vec::new()) }
    };
    let missed = hunt(&[], "nobody looks there");
    for text in both(vec![missed.clone()]) {
        assert!(text.contains("drop-fence") && text.contains("a known gap: nobody looks there"));
    }
    for text in both(vec![missed, hunt(&["one-session-acts"], "")]) {
        assert!(text.contains("session 2 acted") && !text.contains("a known gap"), "{text}");
    }
}

/// Without it the report that is committed could be one of other records than those that are.
#[test]
fn the_committed_report_is_that_of_the_committed_records() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let records = RunRecord::load_all(&here.join("records")).unwrap();
    let report = fs::read_to_string(here.join("RESULTS.md")).unwrap();
    assert!(
        report == markdown(&Digest::of(records)),
        "`navarch-chaos report chaos/records --markdown chaos/RESULTS.md` writes another one"
    );
}
