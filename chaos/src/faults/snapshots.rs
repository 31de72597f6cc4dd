use std::time::Duration;

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, restart::restart};
use crate::{error::ChaosError, proc::http};

/// Entries between two snapshots while the fault is in force.
const EVERY: u64 = 50;

/// The line of a replica's metrics that tells the last entry in its newest snapshot.
const METRIC: &str = "navarch_raft_snapshot_index ";

/// Limit of one look.
const LIMIT: Duration = Duration::from_secs(10);

/// Replicas write a snapshot every 50 to 100 entries; one after the other is restarted for it, and back.
#[derive(Default)]
pub(super) struct FrequentSnapshots {
    /// Each replica that was struck, with the last entry in its snapshot then.
    struck: Vec<(usize, u64)>,
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
            restart(stage, index).await?;
            self.struck.push((index, last_in_snapshot(stage, index).await?));
        }
        Ok(Begun::Struck(stage.names(&victims)))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let mut written = true;
        for (index, before) in std::mem::take(&mut self.struck) {
            // More than one, so that it was not only the first that is due.
            written &= last_in_snapshot(stage, index).await? > before + 2 * EVERY;
            stage.group.set_snapshot_every(index, None)?;
            restart(stage, index).await?;
        }
        Ok(Seen::when(written, "several snapshots of each replica"))
    }
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
