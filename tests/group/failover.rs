use std::{path::Path, time::Duration};

use navarch_chaos::{
    record::{Injection, RunRecord, Verdict},
    runs::{self, AvailabilityOptions, Blow, KillsOptions, Loads, Victims},
};

use crate::{Turn, group};

/// Without it a killed leader could take acknowledged writes with it, or a retry be done twice.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_leaders_are_killed() {
    survives(5, Victims::Leader).await;
}

/// Without it what was acknowledged could be in memory alone when the whole group is killed.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_all_replicas_are_killed() {
    survives(2, Victims::All).await;
}

async fn survives(count: usize, victims: Victims) {
    let turn = Turn::take().await;
    let down = Duration::from_millis(300);
    let options = KillsOptions { count, victims, clients: 4, down, registers: 2, history: None };
    let report = runs::kills(&turn.host, group(), options).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.counts.failed_writes, 0, "{:#?}", report.failures);
    assert!(report.counts.writes > 10 && report.counts.reads > 10, "{:?}", report.counts);
    assert!(report.checked.nodes > 0 && report.checked.orders > 0, "{:?}", report.checked);
}

fn measured(fault: Blow, load: Loads, record: &Path) -> AvailabilityOptions {
    AvailabilityOptions {
        faults: vec![fault],
        count: 3,
        load,
        clients: 4,
        etcd: false,
        etcd_program: None,
        second_navarch: None,
        rejoin: Vec::new(),
        rejoins: 0,
        record: Some(record.to_owned()),
        judge: false,
    }
}

/// Without it every rolling restart would fail calls, or make them wait for an election.
#[tokio::test]
async fn a_leader_that_stops_hands_over_without_a_failed_call() {
    let turn = Turn::take().await;
    let records = tempfile::tempdir().unwrap();
    let options = measured(Blow::RollingRestart, Loads::Loaded, records.path());
    let report = runs::availability(&turn.host, group(), options).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    // An election takes 0.9 s at least; this machine may be busy.
    let gap = report.measured[0].first_write;
    assert!(gap.p50_ms < 500.0, "{gap:?}");
}

/// Without it nobody could tell whether a failover waits for its detection, its election or its clients.
#[tokio::test]
async fn a_killed_leader_is_measured_phase_by_phase() {
    let turn = Turn::take().await;
    let records = tempfile::tempdir().unwrap();
    let options = measured(Blow::Kill, Loads::Loaded, records.path());
    let report = runs::availability(&turn.host, group(), options).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    let [record] = &RunRecord::load_all(records.path()).unwrap()[..] else { panic!("one record") };
    let [measured] = &record.availability[..] else { panic!("{record:?}") };
    let (detect, elect) = (measured.detect.unwrap(), measured.elect.unwrap());
    assert_eq!([detect.count, elect.count, measured.first_write.count], [3; 3]);
    // No write is acknowledged before somebody leads, and nobody leads before somebody campaigned.
    assert!(measured.first_write.max_ms > detect.max_ms, "{measured:?}");
    assert!(measured.first_act.unwrap().max_ms > detect.max_ms, "{measured:?}");
    assert!(record.faults.iter().all(|fault| fault.injection == Injection::Injected), "{record:?}");
    assert!(record.invariants.iter().all(|it| it.verdict == Verdict::Held), "{record:?}");
    // Silence is in the curve as slices in which nothing was acknowledged.
    let silent = record.load.iter().filter(|point| point.acknowledged == 0).count();
    assert!(silent >= 3 && record.load.len() > 3 * 5, "{silent} of {}", record.load.len());
}
