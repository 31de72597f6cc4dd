use std::{path::PathBuf, time::Duration};

use navarch_host::Chance;

use crate::{
    error::ChaosError,
    host::Host,
    proc::{Group, links::Party},
    shim::{Board, Counter, Lever},
};

/// How long a leader is waited for when one is to be struck. In a group that is cut up there may be none.
const LEADER_LIMIT: Duration = Duration::from_secs(10);

/// What faults strike.
pub struct Stage {
    /// Time and tasks.
    pub host: Host,
    /// The group.
    pub group: Group,
    /// What faults draw by.
    pub chance: Chance,
    /// Another build of the program, for groups of two versions.
    pub other_program: Option<PathBuf>,
    /// The program that the group began with.
    pub program: PathBuf,
    /// The folder of crash points, if replicas were told of one.
    pub crash_points: Option<PathBuf>,
    /// Whether there is a fake cloud, with pools of machines.
    pub has_cloud: bool,
    /// What faults found wrong with the system themselves.
    pub violations: Vec<String>,
    /// Why there is no shim; empty if there is one.
    pub no_shim: String,
}

impl Stage {
    /// The replica that leads.
    ///
    /// # Errors
    ///
    /// If there is none for a while.
    pub async fn leader(&self) -> Result<usize, ChaosError> {
        self.group.leader(LEADER_LIMIT).await
    }

    /// The replica that leads, and all others in an order drawn by chance.
    ///
    /// # Errors
    ///
    /// If there is no leader for a while.
    pub async fn leader_and_others(&self) -> Result<(usize, Vec<usize>), ChaosError> {
        let leader = self.leader().await?;
        let mut others: Vec<_> = self.indices().filter(|&index| index != leader).collect();
        for last in (1..others.len()).rev() {
            others.swap(last, self.chance.below(last + 1));
        }
        Ok((leader, others))
    }

    /// The indices of all replicas.
    pub fn indices(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.group.len()
    }

    /// Those of `indices` that run.
    pub fn running(&self, indices: &[usize]) -> Vec<usize> {
        let runs = |index: &&usize| self.group.process_id(**index).is_some();
        indices.iter().filter(runs).copied().collect()
    }

    /// The names of replicas.
    pub fn names(&self, indices: &[usize]) -> Vec<String> {
        indices.iter().map(|&index| self.group.name(index).to_owned()).collect()
    }

    /// Replicas as parties of the network.
    pub fn parties(indices: &[usize]) -> Vec<Party> {
        indices.iter().map(|&index| Party::Replica(index)).collect()
    }

    /// Starts those of `indices` that do not run, by their own end or ours.
    ///
    /// # Errors
    ///
    /// If one cannot be started.
    pub fn revive(&mut self, indices: &[usize]) -> Result<(), ChaosError> {
        for &index in indices {
            self.group.notice_end(index);
            if self.group.process_id(index).is_none() {
                self.group.start_replica(index)?;
            }
        }
        Ok(())
    }

    /// The levers of replica `index`, or why there are none.
    pub fn board(&self, index: usize) -> Result<&Board, String> {
        self.group.board(index).ok_or_else(|| self.no_shim.clone())
    }

    /// Pulls levers of replica `index`.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn pull(&self, index: usize, levers: &[(Lever, i64)]) -> Result<(), ChaosError> {
        let Some(board) = self.group.board(index) else { return Ok(()) };
        let pulled = levers.iter().try_for_each(|&(lever, value)| board.pull(lever, value));
        pulled.map_err(ChaosError::system(format!("pull levers of {}", self.group.name(index))))
    }

    /// What the shim of replica `index` has counted.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn count(&self, index: usize, counter: Counter) -> Result<u64, ChaosError> {
        let Some(board) = self.group.board(index) else { return Ok(0) };
        let what = format!("read counters of {}", self.group.name(index));
        board.count(counter).map_err(ChaosError::system(what))
    }
}
