use navarch_chaos::runs::{self, FormationOptions};

use crate::{Turn, group};

/// Without it a machine that restarts during the first start could split the group in two for good.
#[tokio::test]
async fn replicas_killed_while_they_form_a_group_end_as_one() {
    let turn = Turn::take().await;
    let options = FormationOptions { kills: 10 };
    let report = runs::formation(&turn.host, group(), options).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.kills, 10);
}
