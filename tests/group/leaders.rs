use std::time::Duration;

use navarch_chaos::{report::Report as _, runs};

use crate::{Turn, group};

/// Without it a leader that freezes, or that is new and has heard nobody yet, could declare healthy nodes lost.
/// `navarch-chaos leaders` is the long form.
#[tokio::test]
async fn no_node_that_beats_is_lost_whatever_happens_to_leaders() {
    let turn = Turn::take().await;
    let options = runs::LeadersOptions {
        nodes: 100,
        interval: Duration::from_secs(1),
        freezes: 1,
        kill_for: Duration::from_secs(10),
        every: Duration::from_secs(6),
    };
    let report = runs::leaders(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0], "{report:?}");
    assert_eq!((report.frozen, report.killed), (1, 2));
}

/// Without it an observer could miss that a node became unhealthy while leaders change. `navarch-chaos observers` is the
/// long form.
#[tokio::test]
async fn observers_are_told_of_every_change_whatever_happens_to_leaders() {
    let turn = Turn::take().await;
    let options = runs::ObserversOptions { failovers: 3, nodes: 10 };
    let report = runs::observers(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0], "{report:?}");
    assert!(report.to_unhealthy > 5 && report.troubles > 0, "{report:?}");
}
