use std::time::Duration;

use navarch_chaos::{report::Report as _, runs};

use crate::{Turn, group};

/// Without it a leader that dies between an intent, a call and its result could leave a machine that nobody tracks, or
/// have it bought twice. `navarch-chaos steps` is the long form.
#[tokio::test]
async fn leaders_die_in_the_middle_of_their_work() {
    let turn = Turn::take().await;
    let options = runs::StepsOptions {
        points: Some(8),
        limit: Duration::from_secs(60),
        random: Duration::from_secs(5),
    };
    let report = runs::steps(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0]);
    let struck = report.points.iter().filter(|point| point.after_ms.is_some()).count();
    assert!(struck >= 5, "{:?}", report.points);
    assert!(report.bought > 5 && report.ended > 0, "{report:?}");
}
