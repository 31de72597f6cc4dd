use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use navarch::client::{
    CallError, CallOptions, Client,
    rpc::{IssueCommand, RegisterNode, ReportHealth},
};
use navarch_host::TaskHandle;
use navarch_proto::api::{self, HealthStatus, NodeCommandType};
use tokio_util::sync::CancellationToken;

use crate::{error::ChaosError, host::Host};

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(25);
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(50);

/// Nodes that fall ill and are cleared by an operator, in turn, until they are told to stop.
pub(super) struct Patients {
    stop: CancellationToken,
    task: TaskHandle,
    failures: Arc<AtomicUsize>,
}

impl Patients {
    /// Registers `nodes` of them and begins.
    pub(super) async fn admit(
        host: &Host,
        client: Client,
        nodes: usize,
    ) -> Result<Self, ChaosError> {
        for number in 0..nodes {
            let request =
                api::RegisterNodeRequest { node_id: node_id(number), ..Default::default() };
            let registered =
                client.call::<RegisterNode>(request, &CallOptions::within(LIMIT)).await;
            registered.map_err(ChaosError::call("register a node"))?;
        }
        let (stop, failures) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let (host, stopped, failed) = (host.clone(), stop.clone(), Arc::clone(&failures));
        let spawner = Arc::clone(&host.spawner);
        let task = spawner.spawn("patients", async move {
            for number in (0..nodes).cycle().take_while(|_| !stopped.is_cancelled()) {
                let node_id = node_id(number);
                let changed = async {
                    fall_ill(&client, &node_id).await?;
                    clear(&client, &node_id).await
                };
                if changed.await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                host.clock.sleep(PAUSE).await;
            }
        });
        Ok(Self { stop, task, failures })
    }

    /// Ends it; how many changes failed.
    pub(super) async fn discharge(self) -> usize {
        self.stop.cancel();
        self.task.join().await;
        self.failures.load(Ordering::Relaxed)
    }
}

fn node_id(number: usize) -> String {
    format!("patient-{number}")
}

async fn fall_ill(client: &Client, node_id: &str) -> Result<(), CallError> {
    let result = api::HealthCheckResult {
        check_name: "nvml".to_owned(),
        status: HealthStatus::Unhealthy.into(),
        message: "no answer".to_owned(),
        ..Default::default()
    };
    let request = api::ReportHealthRequest {
        node_id: node_id.to_owned(),
        results: vec![result],
        ..Default::default()
    };
    client.call::<ReportHealth>(request, &CallOptions::within(LIMIT)).await.map(drop)
}

async fn clear(client: &Client, node_id: &str) -> Result<(), CallError> {
    let request = api::IssueCommandRequest {
        node_id: node_id.to_owned(),
        command_type: NodeCommandType::Uncordon.into(),
        ..Default::default()
    };
    client.call::<IssueCommand>(request, &CallOptions::within(LIMIT)).await.map(drop)
}
