use std::time::Duration;

use navarch_chaos::runs::{self, FailoverOptions, KillsOptions, Victims};

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

/// Without it every rolling restart would fail calls, or make them wait for an election.
#[tokio::test]
async fn a_leader_that_stops_hands_over_without_a_failed_call() {
    let turn = Turn::take().await;
    let options = FailoverOptions { kills: 3, clients: 4, graceful: true };
    let report = runs::failover(&turn.host, group(), options).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    // An election takes 0.9 s at least; this machine may be busy.
    assert!(report.gap.p50_ms < 500.0, "{:?}", report.gap);
}
