use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::{Request, client::Grpc};
use tonic_prost::ProstCodec;

use super::{
    EtcdGroup,
    anywhere::anywhere,
    group::connect,
    messages::{MoveLeaderRequest, MoveLeaderResponse},
};
use crate::{error::ChaosError, load::Stream, proc::links::Party, wait::until};

const MOVE_LEADER: &str = "/etcdserverpb.Maintenance/MoveLeader";

/// How long a replica may take to serve again, or to stop after SIGTERM.
const LIMIT: Duration = Duration::from_secs(60);

impl EtcdGroup {
    /// Number of replicas, running or not.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The name of replica `index`.
    pub fn name(&self, index: usize) -> &str {
        self.processes[index].name()
    }

    /// The index of the replica that leads.
    ///
    /// # Errors
    ///
    /// If there is none within a minute.
    pub async fn leader_index(&self) -> Result<usize, ChaosError> {
        self.leading().await.map(|(index, _)| index)
    }

    /// Starts `clients` that put, each at whichever replica answers first.
    ///
    /// # Errors
    ///
    /// Never for a group of ours.
    pub fn stream(&self, clients: usize) -> Result<Stream, ChaosError> {
        Ok(Stream::of(&self.host, clients, anywhere(&self.host, &self.addresses)?))
    }

    /// Ends replica `index` with SIGKILL.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub async fn kill(&mut self, index: usize) -> Result<(), ChaosError> {
        self.processes[index].kill().await
    }

    /// Stops replica `index` with SIGTERM, upon which it hands over first.
    ///
    /// # Errors
    ///
    /// If it does not run, or does not stop.
    pub async fn terminate(&mut self, index: usize) -> Result<(), ChaosError> {
        let host = self.host.clone();
        self.processes[index].terminate(&host, LIMIT).await.map(drop)
    }

    /// Stops replica `index` from running until [`EtcdGroup::resume`].
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&self, index: usize) -> Result<(), ChaosError> {
        self.processes[index].pause()
    }

    /// Lets replica `index` run again.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&self, index: usize) -> Result<(), ChaosError> {
        self.processes[index].resume()
    }

    /// Has replica `leader` hand leadership to the one that comes after it.
    ///
    /// # Errors
    ///
    /// If it refuses.
    pub async fn transfer(&self, leader: usize) -> Result<(), ChaosError> {
        let failed = |problem| ChaosError::Tool { program: "etcd".to_owned(), problem };
        let to = self.status((leader + 1) % self.len()).await.map_err(failed)?;
        let target_id = to.header.map_or(0, |header| header.member_id);
        let mut grpc = Grpc::new(connect(&self.addresses[leader]).await.map_err(failed)?);
        let ready = grpc.ready().await;
        ready.map_err(|error| failed(error.to_string()))?;
        let codec = ProstCodec::<MoveLeaderRequest, MoveLeaderResponse>::default();
        let path = PathAndQuery::from_static(MOVE_LEADER);
        let answer = grpc.unary(Request::new(MoveLeaderRequest { target_id }), path, codec).await;
        answer.map(drop).map_err(|status| failed(status.to_string()))
    }

    /// Starts replica `index`, which was ended.
    ///
    /// # Errors
    ///
    /// If it runs already or cannot be started.
    pub fn start_replica(&mut self, index: usize) -> Result<(), ChaosError> {
        self.processes[index].start()?;
        if let (Some(links), Some(id)) = (&self.links, self.processes[index].id()) {
            links.enter(id, Party::Replica(index));
        }
        Ok(())
    }

    /// Waits until replica `index` follows or leads.
    ///
    /// # Errors
    ///
    /// If it ends, or does not within a minute.
    pub async fn wait_ready(&mut self, index: usize) -> Result<(), ChaosError> {
        self.processes[index].check_running()?;
        until(&self.host, "an etcd replica that follows or leads", LIMIT, || async {
            let status = self.status(index).await?;
            if status.leader == 0 { Err("it knows no leader".to_owned()) } else { Ok(()) }
        })
        .await
    }
}
