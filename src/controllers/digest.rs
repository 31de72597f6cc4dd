use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::FleetState;
use navarch_proto::fleet::{RecordDigest, proposal::Kind};

use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{DigestLine, Liveness},
};

const NAME: &str = "digest";
/// How often the leader logs who was heard from.
const PERIOD: Duration = Duration::from_secs(5);

/// Logs who was heard from, so that a new leader starts with history and every replica can tell it.
pub(super) struct Digest {
    liveness: Arc<Liveness>,
}

impl Digest {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }
}

/// Ages instead of times: small numbers make small entries.
fn encode(lines: &[DigestLine], now_ms: u64) -> RecordDigest {
    let age =
        |line: &DigestLine| u32::try_from(now_ms.saturating_sub(line.seen_ms)).unwrap_or(u32::MAX);
    RecordDigest {
        at_ms: now_ms,
        numbers: lines.iter().map(|line| line.number).collect(),
        ages_ms: lines.iter().map(age).collect(),
        utilization: lines.iter().map(|line| line.utilization).collect::<Vec<_>>().into(),
    }
}

#[async_trait]
impl Controller for Digest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        PERIOD
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        for lines in self.liveness.take_digest() {
            let digest = encode(&lines, tenure.now_ms());
            let proposed = tenure.propose(Kind::RecordDigest(digest)).await;
            if proposed.is_err() {
                // A beat may enter the log twice; it must not be missing there.
                self.liveness.put_back(&lines);
            }
            // The other chunks have been taken too, so each is tried.
            let _ = report.proposed(proposed);
        }
        report
    }
}

#[cfg(test)]
#[path = "digest_test.rs"]
mod tests;
