use navarch_chaos::{
    ChaosError,
    runs::{self, DurabilityOptions},
    strace::find_strace,
};

use crate::{Turn, group, skip};

/// Without it a power cut could take what was acknowledged: a killed process alone never shows that.
#[tokio::test]
async fn acknowledged_writes_are_synced_on_a_majority_before() {
    let Some(strace) = find_strace() else {
        return skip("the trace of syncs: strace is not installed");
    };
    let turn = Turn::take().await;
    let options = DurabilityOptions { strace, writes: 20 };
    let report = match runs::durability(&turn.host, group(), options).await {
        Err(ChaosError::Late { last, .. }) if last.contains("not permitted") => {
            return skip(&format!("the trace of syncs: {last}"));
        }
        report => report.unwrap(),
    };
    assert_eq!(report.writes, 20);
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}
