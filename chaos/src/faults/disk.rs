use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, kill::Whom};
use crate::{
    error::ChaosError,
    shim::{Counter, Lever},
};

/// `EIO`: a disk has lost something.
const EIO: i64 = 5;
/// `ENOSPC`: a disk is full.
const ENOSPC: i64 = 28;

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// Syncs fail. What was written before may be gone, and no later sync can tell: the replica must end.
    SyncError,
    /// Nothing can be written any more.
    Full,
    /// Syncs and writes take longer.
    Slow,
}

/// The disk of one replica misbehaves.
pub(super) struct BadDisk {
    disk: Disk,
    whom: Whom,
    struck: Option<(usize, u64)>,
}

impl BadDisk {
    /// Of the one that leads, or of one that follows.
    pub(super) fn new(disk: Disk, whom: Whom) -> Self {
        Self { disk, whom, struck: None }
    }

    fn levers(&self) -> &'static [(Lever, i64)] {
        match self.disk {
            Disk::SyncError => &[(Lever::SyncError, EIO)],
            Disk::Full => &[(Lever::WriteError, ENOSPC)],
            Disk::Slow => &[(Lever::SyncDelayUs, 150_000), (Lever::WriteDelayUs, 2_000)],
        }
    }

    fn counter(&self) -> Counter {
        match self.disk {
            Disk::SyncError => Counter::FailedSyncs,
            Disk::Full => Counter::FailedWrites,
            Disk::Slow => Counter::Delayed,
        }
    }
}

#[async_trait(?Send)]
impl Fault for BadDisk {
    fn name(&self) -> String {
        let disk = match self.disk {
            Disk::SyncError => "fsync-error",
            Disk::Full => "full-disk",
            Disk::Slow => "slow-disk",
        };
        format!("{disk}-{}", self.whom.word())
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let Some(&victim) = self.whom.of(stage).await?.first() else {
            return Ok(Begun::Skipped("nobody to strike runs".to_owned()));
        };
        if let Err(why) = stage.board(victim) {
            return Ok(Begun::Skipped(why));
        }
        self.struck = Some((victim, stage.count(victim, self.counter())?));
        stage.pull(victim, self.levers())?;
        Ok(Begun::Struck(stage.names(&[victim])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some((victim, before)) = self.struck.take() else {
            return Ok(Seen::No("a disk that was struck".to_owned()));
        };
        stage.group.notice_end(victim);
        let ended = stage.group.process_id(victim).is_none();
        let met = stage.count(victim, self.counter())? > before;
        let off: Vec<_> = self.levers().iter().map(|&(lever, _)| (lever, 0)).collect();
        stage.pull(victim, &off)?;
        if self.disk == Disk::SyncError && met && !ended {
            let name = stage.group.name(victim).to_owned();
            stage.violations.push(format!("{name} runs on after a sync of its log failed"));
        }
        stage.revive(&[victim])?;
        Ok(Seen::when(met, "calls that met the disk while it misbehaved"))
    }
}
