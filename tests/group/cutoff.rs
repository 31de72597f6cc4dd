use std::time::Duration;

use navarch_chaos::{report::Report as _, runs};

use crate::{Turn, group};

/// Without it a cut network would have its machines replaced, or the breaker would close with a flood of losses.
/// `navarch-chaos cutoff` is the long form.
#[tokio::test]
async fn a_pool_that_is_cut_off_is_not_replaced() {
    let turn = Turn::take().await;
    let options = runs::CutoffOptions { nodes: 10, shares: vec![60], cut: Duration::from_secs(9) };
    let report = runs::cutoff(&turn.host, group(), options).await.unwrap();
    assert_eq!(report.violations(), [""; 0], "{report:?}");
    assert_eq!((report.shares[0].silent, report.shares[0].lost), (6, 0));
}
