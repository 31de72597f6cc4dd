use std::time::Duration;

use navarch::client::{
    CallOptions,
    rpc::{AddReplica, RemoveReplica},
};
use navarch_proto::api;

use super::Group;
use crate::{error::ChaosError, wait::until};

/// Limit of one try.
const TRY: Duration = Duration::from_secs(10);

impl Group {
    /// Has the group take replica `index` in, which runs and waits for it, until it serves as a voter.
    ///
    /// # Errors
    ///
    /// If that does not come about within `limit`.
    pub async fn take_in(&mut self, index: usize, limit: Duration) -> Result<(), ChaosError> {
        let client = self.client()?;
        let request = api::AddReplicaRequest {
            name: self.name(index).to_owned(),
            address: self.peer_address(index).to_owned(),
            voter: true,
        };
        until(&self.host, &format!("taking {} in", self.name(index)), limit, || async {
            // A try whose answer was lost may have succeeded.
            if self.voters().await?.iter().any(|(_, name)| *name == request.name) {
                return Ok(());
            }
            let options = CallOptions::within(TRY);
            let answer = client.call::<AddReplica>(request.clone(), &options).await;
            answer.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        self.wait_ready(index, limit).await
    }

    /// Has the group forget replica `index`, running or not.
    ///
    /// # Errors
    ///
    /// If that does not come about within `limit`.
    pub async fn let_go(&mut self, index: usize, limit: Duration) -> Result<(), ChaosError> {
        let client = self.client()?;
        let name = self.name(index).to_owned();
        until(&self.host, &format!("letting {name} go"), limit, || async {
            let known = self.replicas().await?;
            let Some((id, ..)) = known.into_iter().find(|(_, known, _)| *known == name) else {
                return Ok(());
            };
            let request = api::RemoveReplicaRequest { id };
            let answer = client.call::<RemoveReplica>(request, &CallOptions::within(TRY)).await;
            Err(answer.map_or_else(|error| error.to_string(), |_| "it is let go".to_owned()))
        })
        .await
    }

    /// Id and name of each voter, as the leader knows them.
    async fn voters(&self) -> Result<Vec<(u64, String)>, String> {
        let known = self.replicas().await?.into_iter();
        Ok(known.filter(|(.., voter)| *voter).map(|(id, name, _)| (id, name)).collect())
    }

    async fn replicas(&self) -> Result<Vec<(u64, String, bool)>, String> {
        let leader = self.leader(TRY).await.map_err(|error| error.to_string())?;
        Ok(self.standing(leader).await?.replicas)
    }
}
