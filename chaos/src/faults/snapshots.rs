use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// Replicas write a snapshot every 50 to 100 entries, and send them instead of entries.
pub(super) struct FrequentSnapshots;

#[async_trait(?Send)]
impl Fault for FrequentSnapshots {
    fn name(&self) -> String {
        "frequent-snapshots".to_owned()
    }

    async fn inject(&mut self, _: &mut Stage) -> Result<Begun, ChaosError> {
        let why = "no configuration says how many entries lie between two snapshots; the simulation tries it";
        Ok(Begun::Skipped(why.to_owned()))
    }

    async fn heal(&mut self, _: &mut Stage) -> Result<Seen, ChaosError> {
        Ok(Seen::No("a snapshot".to_owned()))
    }
}
