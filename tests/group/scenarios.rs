use std::path::PathBuf;

use navarch_chaos::{
    faults::Powerless,
    record::Injection,
    runs::{self, PowerLossOptions},
    scenario::{Means, Performance, Scenario, perform},
    shim::Shim,
};

use crate::{Turn, group, skip};

/// Two of the cheap ones: a leader that clients still reach among a minority, and a disk that fails.
const SHORT: &str = "
name: short
for: 9s
load: {clients: 4, registers: 1}
steps:
  - {at: 500ms, fault: leader-in-minority, for: 3s}
  - {at: 6s, fault: fsync-error-leader, for: 1s}
";

/// Without it a leader without a majority could answer, a replica go on after its disk failed, or a scenario pass in
/// which nothing took place.
#[tokio::test]
async fn a_leader_in_a_minority_and_a_failed_sync_break_nothing() {
    let shim = Shim::build().await.unwrap();
    let turn = Turn::take().await;
    let without_shim = shim.is_err();
    let means = Means { group: group(), other_program: None, shim };
    let scenario = Scenario::parse(SHORT).unwrap();
    let performance = perform(&turn.host, &means, &scenario, 1).await.unwrap();
    let Performance { faults, violations, invariants, load, .. } = &performance;
    assert!(violations.is_empty(), "{violations:#?}");
    let injected = |name: &str| {
        let found = faults.iter().find(|fault| fault.fault == name).unwrap();
        found.injection == Injection::Injected
    };
    assert!(injected("leader-in-minority"), "{faults:#?}");
    assert!(injected("fsync-error-leader") || without_shim, "{faults:#?}");
    assert!(invariants.len() >= 10, "{invariants:#?}");
    assert!(load.iter().map(|point| point.acknowledged).sum::<u64>() > 50, "{load:#?}");
}

fn power_loss(rounds: usize, pretend_unsynced: bool) -> PowerLossOptions {
    let (victims, record): (_, Option<PathBuf>) = (Powerless::All, None);
    PowerLossOptions { victims, rounds, clients: 4, seed: 3, pretend_unsynced, record }
}

/// Without it a power cut of a whole site could take what was acknowledged, or leave replicas that refuse to start.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_all_lose_power() {
    let turn = Turn::take().await;
    let report = match runs::power_loss(&turn.host, group(), power_loss(4, false)).await.unwrap() {
        Ok(report) => report,
        Err(why) => return skip(&why),
    };
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.cuts, 4);
    assert!(report.damage.unsynced > 0 && report.damage.lost > 0, "{:?}", report.damage);
}

/// Without it the run could pass whatever a disk loses.
#[tokio::test]
async fn disks_that_lie_are_found_out() {
    let turn = Turn::take().await;
    let report = match runs::power_loss(&turn.host, group(), power_loss(2, true)).await.unwrap() {
        Ok(report) => report,
        Err(why) => return skip(&why),
    };
    let lost = report.violations.iter().any(|told| told.contains("lost"));
    assert!(lost, "{:#?}", report.violations);
}
