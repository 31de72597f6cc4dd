use std::time::Duration;

use async_trait::async_trait;
use navarch::fake_cloud::{
    faults::{Fault as CloudFault, FaultKind, FaultPlan},
    ledger::LedgerEntry,
};

use super::{Begun, Fault, Seen, Stage};
use crate::{error::ChaosError, proc::http, report::millis_of};

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(10);

/// The fake cloud answers every request that the kind can hit with it.
pub(super) struct BadCloud {
    kind: FaultKind,
    delay: Duration,
    since: Option<u64>,
}

impl BadCloud {
    /// What `delay` is depends on the kind, as [`FaultKind`] says.
    pub(super) fn new(kind: FaultKind, delay: Duration) -> Self {
        Self { kind, delay, since: None }
    }

    /// The methods of requests that the kind can hit.
    fn methods(&self) -> &'static [&'static str] {
        match self.kind {
            FaultKind::SuccessThenTimeout => &["POST", "DELETE"],
            FaultKind::DelayedCommit | FaultKind::NoCapacity => &["POST"],
            FaultKind::StaleList => &["GET"],
            // A listing is a GET as well, so only what is about one machine tells.
            FaultKind::Spurious404 => &["DELETE"],
            FaultKind::RateLimited
            | FaultKind::ErrorBefore
            | FaultKind::ErrorAfter
            | FaultKind::Slow => &["POST", "DELETE", "GET"],
        }
    }

    async fn set(&self, stage: &Stage, faults: Vec<CloudFault>) -> Result<(), ChaosError> {
        let plan = FaultPlan { seed: 0, faults };
        let text = serde_json::to_string(&plan).map_err(|error| trouble(error.to_string()))?;
        let cloud = stage.group.cloud_address();
        let answer = http::put(&stage.host, &cloud, ("/v1/faults", &text), LIMIT).await;
        let answer = answer.map_err(trouble)?;
        if answer.status == 200 { Ok(()) } else { Err(trouble(answer.body)) }
    }
}

#[async_trait(?Send)]
impl Fault for BadCloud {
    fn name(&self) -> String {
        let word = serde_json::to_value(self.kind).ok();
        let word = word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("cloud-{}", word.replace('_', "-"))
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        if !stage.has_cloud {
            return Ok(Begun::Skipped("there is no cloud in this scenario".to_owned()));
        }
        self.since = Some(ledger(stage).await?.last().map_or(0, |entry| entry.seq));
        let delay_ms = millis_of(self.delay);
        let fault = CloudFault { kind: self.kind, rate: 1.0, delay_ms };
        self.set(stage, vec![fault]).await?;
        Ok(Begun::Struck(vec!["cloud".to_owned()]))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        self.set(stage, Vec::new()).await?;
        let Some(since) = self.since.take() else {
            return Ok(Seen::No("a plan in force".to_owned()));
        };
        let entries = ledger(stage).await?;
        let hit = entries
            .iter()
            .any(|entry| entry.seq > since && self.methods().contains(&&*entry.method));
        let sought = format!("a request that it can hit: {}", self.methods().join(", "));
        Ok(Seen::when(hit, &sought))
    }
}

/// The fake cloud's ledger: its own word on what was asked and done.
pub(super) async fn ledger(stage: &Stage) -> Result<Vec<LedgerEntry>, ChaosError> {
    let cloud = stage.group.cloud_address();
    let answer = http::get(&stage.host, &cloud, "/v1/ledger", LIMIT).await.map_err(trouble)?;
    let lines = answer.body.lines().filter(|line| !line.is_empty());
    let entry =
        |line| serde_json::from_str(line).map_err(|error| trouble(format!("{error}: {line}")));
    lines.map(entry).collect()
}

pub(super) fn trouble(problem: String) -> ChaosError {
    ChaosError::Tool { program: "the fake cloud".to_owned(), problem }
}
