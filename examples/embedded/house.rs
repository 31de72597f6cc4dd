//! The machines' agents and the hours of the day: everything outside the replica.

use std::{collections::BTreeSet, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use navarch::{
    client::{CallOptions, Client, ClientOptions, Rpc, rpc},
    host::{Clock, FakeClock, SystemSpawner},
    proto::api::{
        ExplainRequest, ExplainResponse, GetPoolRequest, GpuInfo, HealthCheckResult, HealthEvent,
        HealthEventType, HealthStatus, HeartbeatRequest, NodeMetadata, PoolInfo,
        RegisterNodeRequest, ReportHealthRequest,
    },
    provider::Machine,
};

use crate::racks::{Racks, agent_labels};

/// Fleet time from one look to the next: no agent may miss its time-out in between.
const STEP: Duration = Duration::from_secs(15);

/// Agents on the machines in the racks, on the time that only this program moves.
pub(crate) struct House {
    time: Arc<FakeClock>,
    racks: Arc<Racks>,
    client: Client,
    registered: BTreeSet<String>,
    /// Machines whose agents never come up.
    mute: BTreeSet<String>,
}

impl House {
    pub(crate) fn new(
        time: Arc<FakeClock>,
        racks: Arc<Racks>,
        replica: SocketAddr,
    ) -> Result<Self, Box<dyn Error>> {
        // Calls are made in real time, whatever the fleet's clock says.
        let options = ClientOptions::new(Clock::system(), SystemSpawner::current());
        let client = Client::new(&[replica.to_string()], options)?;
        let (registered, mute) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { time, racks, client, registered, mute })
    }

    /// The agent of that machine never comes up.
    pub(crate) fn mute(&mut self, id: &str) {
        self.mute.insert(id.to_owned());
    }

    /// Whether that machine is powered on.
    pub(crate) fn runs(&self, id: &str) -> bool {
        self.racks.running().iter().any(|machine| machine.id == id)
    }

    pub(crate) fn machines(&self) -> usize {
        self.racks.running().len()
    }

    pub(crate) async fn pool(&self) -> Result<PoolInfo, Box<dyn Error>> {
        let request = GetPoolRequest { name: "training".to_owned() };
        let answer = self.call::<rpc::GetPool>(request).await?;
        Ok(answer.pool.unwrap_or_default())
    }

    pub(crate) async fn explain(&self) -> Result<ExplainResponse, Box<dyn Error>> {
        self.call::<rpc::Explain>(ExplainRequest { subject: "pool/training".to_owned() }).await
    }

    /// The agent of a node reads an XID from its driver's log, and tells of it.
    pub(crate) async fn report_xid(&self, node_id: &str, code: u32) -> Result<(), Box<dyn Error>> {
        let event = HealthEvent {
            event_type: HealthEventType::Xid.into(),
            metrics: [("xid_code".to_owned(), code.to_string())].into(),
            ..HealthEvent::default()
        };
        let (node_id, events) = (node_id.to_owned(), vec![event]);
        let report = ReportHealthRequest { node_id, events, ..ReportHealthRequest::default() };
        self.call::<rpc::ReportHealth>(report).await?;
        Ok(())
    }

    /// Lets time pass until the replica leads and has put the configuration into force.
    pub(crate) async fn opened(&self) -> Result<(), Box<dyn Error>> {
        for _ in 0..40 {
            if self.pool().await.is_ok() {
                return Ok(());
            }
            self.time.advance(STEP).await;
        }
        self.pool().await.map(drop)
    }

    /// Lets `duration` pass for the fleet. The calls between two steps give the replica the real time that Raft and
    /// its disk take; what a step sets off may still be in force only after a later one.
    pub(crate) async fn pass(&mut self, duration: Duration) -> Result<(), Box<dyn Error>> {
        let mut left = duration;
        while !left.is_zero() {
            let step = left.min(STEP);
            self.time.advance(step).await;
            left -= step;
            for machine in self.racks.running() {
                self.speak(&machine).await?;
            }
            self.pool().await?;
        }
        Ok(())
    }

    /// Lets time pass until `holds`; an error once `most` of the fleet's time has passed in vain.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        most: Duration,
        holds: impl Fn(&Self, &PoolInfo) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut passed = Duration::ZERO;
        loop {
            let pool = self.pool().await?;
            if holds(self, &pool) {
                println!("{:>5} s: {what}", passed.as_secs());
                return Ok(());
            }
            if passed >= most {
                return Err(format!("not within {most:?}: {what}; {pool:?}").into());
            }
            self.pass(STEP).await?;
            passed += STEP;
        }
    }

    async fn speak(&mut self, machine: &Machine) -> Result<(), Box<dyn Error>> {
        let node_id = machine.id.clone();
        if self.mute.contains(&node_id) {
            return Ok(());
        }
        if self.registered.insert(node_id.clone()) {
            self.call::<rpc::RegisterNode>(registration(machine)).await?;
            self.call::<rpc::ReportHealth>(booted(&node_id)).await?;
        }
        self.call::<rpc::Heartbeat>(HeartbeatRequest { node_id, ..HeartbeatRequest::default() })
            .await?;
        Ok(())
    }

    async fn call<R: Rpc>(&self, request: R::Request) -> Result<R::Response, Box<dyn Error>> {
        Ok(self.client.call::<R>(request, &CallOptions::default()).await?.message)
    }
}

/// What an agent says of a machine that came up well.
fn booted(node_id: &str) -> ReportHealthRequest {
    let (check_name, status) = ("boot".to_owned(), HealthStatus::Healthy.into());
    let result = HealthCheckResult { check_name, status, ..HealthCheckResult::default() };
    ReportHealthRequest {
        node_id: node_id.to_owned(),
        results: vec![result],
        ..ReportHealthRequest::default()
    }
}

fn registration(machine: &Machine) -> RegisterNodeRequest {
    let gpu = |index: i32| GpuInfo {
        index,
        uuid: format!("GPU-{}-{index}", machine.id),
        ..GpuInfo::default()
    };
    RegisterNodeRequest {
        node_id: machine.id.clone(),
        provider: "racks".to_owned(),
        instance_type: machine.instance_type.clone(),
        gpus: (0..8).map(gpu).collect(),
        metadata: Some(NodeMetadata {
            labels: agent_labels(machine).into_iter().collect(),
            ..NodeMetadata::default()
        }),
        ..RegisterNodeRequest::default()
    }
}
