use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use navarch_host::TaskHandle;
use navarch_proto::fleet::ProviderSpec;
use tokio_util::sync::CancellationToken;

use super::options::LiveOptions;
use crate::{
    fake_cloud::{
        Controls, FakeCloud, FakeCloudOptions, Watcher,
        agents::{AgentOptions, Ailment, Ailments, Loads},
        ledger::Change,
    },
    sim::{bills::Bills, error::SimError, scenario::Scenario},
};

/// A fake cloud for each provider of any of a scenario's configurations, with the agents of its machines.
pub(super) struct Clouds {
    /// By provider.
    controls: BTreeMap<String, Controls>,
    /// By provider.
    urls: BTreeMap<String, String>,
    pub(super) bills: Arc<Bills>,
    pub(super) loads: Arc<Loads>,
    ailments: Arc<Ailments>,
    /// Why a cloud has ended too early.
    failure: Arc<Mutex<Option<String>>>,
    tasks: Vec<TaskHandle>,
    stop: CancellationToken,
}

/// Puts what a cloud sells on the bills.
#[derive(Debug)]
struct Cashier {
    provider: String,
    bills: Arc<Bills>,
}

impl Watcher for Cashier {
    fn changed(&self, change: &Change, at_ms: u64) {
        match change {
            Change::Bought { machine, .. } => self.bills.sold(&self.provider, machine, at_ms),
            Change::Ended { id, .. } => self.bills.ended(&self.provider, id, at_ms),
            Change::Delayed { .. } | Change::Dropped { .. } | Change::Agent { .. } => {}
        }
    }
}

impl Clouds {
    /// Starts them, each on a port of its own.
    pub(super) async fn start(
        scenario: &Scenario,
        options: &LiveOptions,
    ) -> Result<Self, SimError> {
        let mut clouds = Self {
            controls: BTreeMap::new(),
            urls: BTreeMap::new(),
            bills: Arc::default(),
            loads: Arc::default(),
            ailments: Arc::default(),
            failure: Arc::default(),
            tasks: Vec::new(),
            stop: CancellationToken::new(),
        };
        let configurations = scenario.configurations();
        let specs = configurations.iter().flat_map(|config| &config.fleet.providers);
        for spec in specs {
            if !clouds.controls.contains_key(&spec.name)
                && let Err(error) = clouds.start_one(spec, scenario, options).await
            {
                clouds.stop().await;
                return Err(error);
            }
        }
        Ok(clouds)
    }

    async fn start_one(
        &mut self,
        spec: &ProviderSpec,
        scenario: &Scenario,
        options: &LiveOptions,
    ) -> Result<(), SimError> {
        let plan = scenario.clouds.get(&spec.name).cloned().unwrap_or_default();
        let agents = AgentOptions {
            token: options.agent_token.clone(),
            ca_file: options.client.ca_file.clone(),
            insecure: options.client.insecure,
            provider: spec.name.clone(),
            loads: Arc::clone(&self.loads),
            ailments: Arc::clone(&self.ailments),
            ..AgentOptions::new(options.replicas.clone())
        };
        let cashier = Cashier { provider: spec.name.clone(), bills: Arc::clone(&self.bills) };
        let ledger = options.directory.join(format!("cloud-{}.jsonl", spec.name));
        let cloud = FakeCloudOptions {
            cloud: plan.options(spec.gpu_count),
            agents: Some(agents),
            watcher: Some(Arc::new(cashier)),
            ..FakeCloudOptions::new(authority(&options.cloud_host, 0), ledger)
        };
        let (clock, spawner) = (options.client.clock.clone(), Arc::clone(&options.client.spawner));
        let cloud = FakeCloud::start(cloud, clock, Arc::clone(&spawner)).await?;
        let url = format!("http://{}", authority(&options.cloud_host, cloud.address().port()));
        self.urls.insert(spec.name.clone(), url);
        self.controls.insert(spec.name.clone(), cloud.controls());
        let (stop, failure) = (self.stop.clone(), Arc::clone(&self.failure));
        let task = async move {
            if let Err(error) = cloud.run(stop).await {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        };
        self.tasks.push(spawner.spawn("fake cloud", task));
        Ok(())
    }

    /// Where each is, by provider.
    pub(super) fn urls(&self) -> &BTreeMap<String, String> {
        &self.urls
    }

    /// The levers of a provider's cloud.
    pub(super) fn of(&self, provider: &str) -> Option<&Controls> {
        self.controls.get(provider)
    }

    /// Whether a node's machine has an agent that nothing is wrong with; none: there is no such machine.
    pub(super) fn is_well(&self, provider: &str, node_id: &str) -> Option<bool> {
        let on = self.of(provider)?.is_on(node_id)?;
        Some(on && self.ailments.of(node_id).is_none())
    }

    /// Says what is wrong with a node.
    pub(super) fn ail(&self, node_id: &str, ailment: Ailment) {
        self.ailments.set(node_id, ailment);
    }

    /// Fails where a cloud has ended too early.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), |reason| Err(SimError::CloudEnded(reason)))
    }

    /// Stops them, and waits until their ledgers are closed.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.join().await;
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
