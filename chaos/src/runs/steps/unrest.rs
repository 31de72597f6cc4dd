use std::time::Duration;

use navarch::client::{
    CallOptions, Client,
    rpc::{IssueCommand, ListInstances, ReportHealth, ScalePool},
};
use navarch_proto::api;
use rand::{RngExt as _, seq::IndexedRandom as _};
use tokio_util::sync::CancellationToken;

use super::shop::{PLANTED, Shop};
use crate::{host::Host, proc::http};

/// Limit of one call: the group may be without a leader.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest pause between two deeds, milliseconds.
const LONGEST_PAUSE_MS: u64 = 1_000;
/// After this long a silenced agent is switched on again, where it is: its node may be lost by then, or not.
const SILENCE: Duration = Duration::from_millis(2_500);

/// Gives controllers no rest: pools are scaled, agents and machines die, nodes fall ill and are cleared. What fails is
/// not tried again: something else comes soon.
pub(super) struct Unrest {
    pub(super) host: Host,
    pub(super) client: Client,
    /// The fake cloud's `host:port`.
    pub(super) cloud: String,
    pub(super) shop: Shop,
    /// The tag of the group's machines.
    pub(super) cluster_id: String,
}

/// What may be done.
#[derive(Clone, Copy, Debug)]
enum Deed {
    ScaleByHand,
    ScaleBelowTheStrategy,
    Silence,
    SilenceForAWhile,
    TakeAway,
    FallIll,
    FallIllAndBeCleared,
    Plant,
}

const DEEDS: [Deed; 8] = [
    Deed::ScaleByHand,
    Deed::ScaleBelowTheStrategy,
    Deed::Silence,
    Deed::SilenceForAWhile,
    Deed::TakeAway,
    Deed::FallIll,
    Deed::FallIllAndBeCleared,
    Deed::Plant,
];

impl Unrest {
    /// Goes on until `stop`; answers how much was done.
    pub(super) async fn run(self, stop: CancellationToken) -> usize {
        let mut done = 0;
        while !stop.is_cancelled() {
            let (deed, pause_ms) = {
                let mut random = rand::rng();
                (DEEDS.choose(&mut random).copied(), random.random_range(0..=LONGEST_PAUSE_MS))
            };
            if let Some(deed) = deed
                && self.carry_out(deed).await.is_some()
            {
                done += 1;
            }
            self.host.clock.sleep(Duration::from_millis(pause_ms)).await;
        }
        done
    }

    async fn carry_out(&self, deed: Deed) -> Option<()> {
        match deed {
            Deed::ScaleByHand => {
                let nodes = rand::rng().random_range(2..=5);
                self.scale("by-hand", nodes, 600_000).await
            }
            Deed::ScaleBelowTheStrategy => self.scale("busy", 1, 0).await,
            Deed::Silence => self.kill("stays").await.map(drop),
            Deed::SilenceForAWhile => {
                let machine = self.kill("stays").await?;
                self.host.clock.sleep(SILENCE).await;
                self.post(&format!("/v1/admin/instances/{machine}/revive"), "{}").await
            }
            Deed::TakeAway => self.kill("vanishes").await.map(drop),
            Deed::FallIll => self.fall_ill().await.map(drop),
            Deed::FallIllAndBeCleared => {
                let node_id = self.fall_ill().await?;
                self.host.clock.sleep(SILENCE).await;
                let request = api::IssueCommandRequest {
                    node_id,
                    command_type: api::NodeCommandType::Uncordon.into(),
                    ..Default::default()
                };
                self.client.call::<IssueCommand>(request, &options()).await.ok().map(drop)
            }
            Deed::Plant => {
                let name = format!("{PLANTED}{}", rand::rng().random::<u32>());
                self.shop.buy(&name, &self.cluster_id).await.ok().map(drop)
            }
        }
    }

    async fn scale(&self, pool: &str, nodes: u32, hold_ms: u64) -> Option<()> {
        let name = pool.to_owned();
        let request = api::ScalePoolRequest { name, nodes, hold_ms: Some(hold_ms) };
        self.client.call::<ScalePool>(request, &options()).await.ok().map(drop)
    }

    /// A machine that works.
    async fn victim(&self) -> Option<api::InstanceInfo> {
        let state = api::InstanceState::Running.into();
        let request = api::ListInstancesRequest { state, ..Default::default() };
        let answer = self.client.call::<ListInstances>(request, &options()).await.ok()?;
        answer.message.instances.choose(&mut rand::rng()).cloned()
    }

    /// Ends an agent; answers the machine's id.
    async fn kill(&self, machine: &str) -> Option<String> {
        let id = self.victim().await?.provider_ref;
        let body = format!("{{\"machine\": \"{machine}\"}}");
        self.post(&format!("/v1/admin/instances/{id}/kill"), &body).await?;
        Some(id)
    }

    /// Two unhealthy reports; answers the node.
    async fn fall_ill(&self) -> Option<String> {
        let node_id = self.victim().await?.node_id;
        for _ in 0..2 {
            let result = api::HealthCheckResult {
                check_name: "nvml".to_owned(),
                status: api::HealthStatus::Unhealthy.into(),
                message: "chaos".to_owned(),
                ..Default::default()
            };
            let node_id = node_id.clone();
            let request =
                api::ReportHealthRequest { node_id, results: vec![result], ..Default::default() };
            self.client.call::<ReportHealth>(request, &options()).await.ok()?;
        }
        Some(node_id)
    }

    async fn post(&self, path: &str, body: &str) -> Option<()> {
        let answer = http::post(&self.host, &self.cloud, (path, body), LIMIT).await.ok()?;
        (answer.status == 200).then_some(())
    }
}

fn options() -> CallOptions {
    CallOptions::within(LIMIT)
}
