use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, restart::restart};
use crate::{error::ChaosError, proc::http, wait::until};

/// Entries between two snapshots while the fault is in force.
const EVERY: u64 = 50;

/// The line of a replica's metrics that tells the last entry in its newest snapshot.
const METRIC: &str = "navarch_raft_snapshot_index ";

/// Limit of one look.
const LIMIT: Duration = Duration::from_secs(10);

/// Replicas write a snapshot every 50 to 100 entries; one after the other is restarted for it, and back.
#[derive(Default)]
pub(super) struct FrequentSnapshots {
    /// Each replica that was struck, with the last entry in the first snapshot that it wrote then.
    struck: BTreeMap<usize, u64>,
}

#[async_trait(?Send)]
impl Fault for FrequentSnapshots {
    fn name(&self) -> String {
        "frequent-snapshots".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let victims: Vec<_> = stage.indices().collect();
        for &index in &victims {
            stage.group.set_snapshot_every(index, Some(EVERY))?;
            self.struck.insert(index, u64::MAX);
            let before = last_in_snapshot(stage, index).await?;
            restart(stage, index).await?;
            self.struck.insert(index, first_after(stage, index, before).await?);
        }
        Ok(Begun::Struck(stage.names(&victims)))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let (struck, mut written) = (std::mem::take(&mut self.struck), true);
        // All of them first: whatever goes wrong then, none stays as it is now.
        for (&index, first) in &struck {
            let last = last_in_snapshot(stage, index).await;
            written &= last.is_ok_and(|last| last > first.saturating_add(EVERY));
            stage.group.set_snapshot_every(index, None)?;
        }
        for index in struck.into_keys() {
            restart(stage, index).await?;
        }
        Ok(Seen::when(written, "several snapshots of each replica"))
    }
}

/// The last entry in the first snapshot after the one up to `before`. It is due at once, and says nothing of those that follow.
async fn first_after(stage: &Stage, index: usize, before: u64) -> Result<u64, ChaosError> {
    until(&stage.host, "a snapshot", LIMIT, || async {
        let last = last_in_snapshot(stage, index).await.map_err(|error| error.to_string())?;
        if last > before { Ok(last) } else { Err(format!("{last} is the last entry in one")) }
    })
    .await
}

async fn last_in_snapshot(stage: &Stage, index: usize) -> Result<u64, ChaosError> {
    let address = stage.group.address(index);
    let told = http::get(&stage.host, address, "/metrics", LIMIT).await.and_then(|answer| {
        let value = answer.body.lines().find_map(|line| line.strip_prefix(METRIC));
        let value = value.and_then(|value| value.trim().parse().ok());
        value.ok_or_else(|| format!("no `{METRIC}` in {} {}", answer.status, answer.body))
    });
    told.map_err(|problem| ChaosError::Tool {
        program: stage.group.name(index).to_owned(),
        problem,
    })
}
