use std::time::Duration;

use futures::future::join_all;
use navarch::client::{CallOptions, rpc::ListReplicas};
use navarch_proto::api;

use super::{Group, http};
use crate::{error::ChaosError, wait::until};

/// How long a replica that is looked at may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// What one replica says of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The cluster's id; empty before there is one.
    pub cluster_id: String,
    /// The replica's own id; 0 before it has one.
    pub id: u64,
    /// The term that it knows.
    pub term: u64,
    /// The leader that it knows; 0: none.
    pub leader_id: u64,
    /// All replicas that it knows: id, name, whether it is a voter.
    pub replicas: Vec<(u64, String, bool)>,
}

impl Standing {
    /// Whether the replica believes that it leads.
    pub fn leads(&self) -> bool {
        self.leader_id != 0 && self.leader_id == self.id
    }
}

impl Group {
    /// What replica `index` says of its group, without asking any other.
    ///
    /// # Errors
    ///
    /// Why it says nothing, for people.
    pub async fn standing(&self, index: usize) -> Result<Standing, String> {
        let options = CallOptions { stale: true, ..CallOptions::within(LOOK_LIMIT) };
        let request = api::ListReplicasRequest {};
        let answer = self.members[index].probe.call::<ListReplicas>(request, &options).await;
        let said = answer.map_err(|error| error.to_string())?.message;
        let own = said.replicas.iter().find(|replica| replica.id == said.answered_by);
        Ok(Standing {
            cluster_id: said.cluster_id,
            id: said.answered_by,
            term: own.map_or(0, |replica| replica.term),
            leader_id: said.leader_id,
            replicas: said
                .replicas
                .into_iter()
                .map(|replica| (replica.id, replica.name, replica.voter))
                .collect(),
        })
    }

    /// The status that `/readyz` of replica `index` answers with.
    ///
    /// # Errors
    ///
    /// Why there is no answer, for people.
    pub async fn readiness(&self, index: usize, limit: Duration) -> Result<http::Answer, String> {
        http::get(&self.host, self.address(index), "/readyz", limit).await
    }

    /// Starts replica `index`, which was ended, and waits until it can serve an up-to-date answer.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends, or `limit` passes.
    pub async fn bring_back(&mut self, index: usize, limit: Duration) -> Result<(), ChaosError> {
        self.start_replica(index)?;
        self.wait_ready(index, limit).await
    }

    /// Waits until replica `index` can serve an up-to-date answer.
    ///
    /// # Errors
    ///
    /// If it ends, or `limit` passes.
    pub async fn wait_ready(&mut self, index: usize, limit: Duration) -> Result<(), ChaosError> {
        let deadline = self.host.clock.now() + limit;
        loop {
            self.members[index].process.check_running()?;
            let ready = self.readiness(index, LOOK_LIMIT).await;
            if matches!(&ready, Ok(answer) if answer.status == 200) {
                return Ok(());
            }
            if self.host.clock.now() >= deadline {
                let tail = self.members[index].process.log_tail();
                let what = format!("readiness of {}", self.name(index));
                let last = format!("{ready:?}; the end of its log:\n{tail}");
                return Err(ChaosError::Late { what, limit, last });
            }
            self.host.clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Looks whether replica `index` has ended by itself; if so, it no longer counts as running.
    pub fn notice_end(&mut self, index: usize) -> Option<ChaosError> {
        self.members[index].process.check_running().err()
    }

    /// Waits until every replica can serve an up-to-date answer.
    ///
    /// # Errors
    ///
    /// If one ends, or `limit` passes.
    pub async fn wait_all_ready(&mut self, limit: Duration) -> Result<(), ChaosError> {
        for index in 0..self.len() {
            self.wait_ready(index, limit).await?;
        }
        Ok(())
    }

    /// Waits until a replica leads; answers its index. Of several that believe so it is the one of the
    /// highest term.
    ///
    /// # Errors
    ///
    /// If `limit` passes.
    pub async fn leader(&self, limit: Duration) -> Result<usize, ChaosError> {
        until(&self.host, "a leader", limit, || async {
            let running = (0..self.len()).filter(|&index| self.process_id(index).is_some());
            let standings =
                join_all(running.map(|index| async move { (index, self.standing(index).await) }));
            let standings = standings.await;
            let leaders = standings
                .iter()
                .filter_map(|(index, standing)| Some((*index, standing.as_ref().ok()?)))
                .filter(|(_, standing)| standing.leads());
            let leader = leaders.max_by_key(|(_, standing)| standing.term);
            leader.map(|(index, _)| index).ok_or_else(|| format!("{standings:?}"))
        })
        .await
    }
}
