use std::sync::{Arc, OnceLock};

use navarch_cluster::Replica;
use navarch_host::{Clock, Spawner};
use tokio_util::sync::CancellationToken;

use super::{Host, Options, tokens, voters};
use crate::{
    config::ReplicaConfig,
    controllers::{self, ControllerParts, Notifiers, Providers},
    fake_cloud::agents::{AgentOptions, SimulatedAgents},
    leader::ControllerSet,
    ledger::Ledger,
    liveness::Liveness,
    notify::Environment,
    provider::{
        fake::{AgentBooter, NoAgents},
        registry::BuildContext,
    },
};

/// Makes the controllers of each session. The clouds are built with the first one, since machines bear the
/// id of the cluster, which a new group has not minted before and a restored one has from its snapshot.
pub(super) fn make(
    options: &Options,
    host: &Host,
    (replica, ledger): (&Replica, &Ledger),
    liveness: Arc<Liveness>,
    stopping: &CancellationToken,
) -> ControllerSet {
    let providers = OnceLock::new();
    let (replica, ledger) = (replica.clone(), ledger.clone());
    let (clock, spawner) = (host.clock.clone(), Arc::clone(&host.spawner));
    let stopping = stopping.clone();
    let own = options.config.replica.clone();
    let observers = options.observers.clone();
    let environment: Environment = Arc::new(|name| std::env::var(name).ok());
    let notifiers = Arc::new(Notifiers::new(clock.clone(), Arc::clone(&environment)));
    Arc::new(move || {
        let providers = providers.get_or_init(|| {
            let context = BuildContext {
                clock: clock.clone(),
                spawner: Arc::clone(&spawner),
                booter: booter(&own, &clock, &spawner, &stopping),
                voters: voters(&replica),
                replica: own.name.clone(),
                environment: Arc::clone(&environment),
            };
            // A session is open, so the group is formed.
            let group_id = replica.status().cluster_id.unwrap_or_default();
            let cluster_id = ledger.view().fleet.cluster_id(&group_id).to_owned();
            Arc::new(Providers::new(context, cluster_id))
        });
        controllers::all(&ControllerParts {
            liveness: Arc::clone(&liveness),
            providers: Arc::clone(providers),
            notifiers: Arc::clone(&notifiers),
            observers: observers.clone(),
        })
    })
}

/// Boots simulated agents that call this very replica, for machines of the `fake` provider.
fn booter(
    own: &ReplicaConfig,
    clock: &Clock,
    spawner: &Arc<dyn Spawner>,
    stop: &CancellationToken,
) -> Arc<dyn AgentBooter> {
    let local = match own.address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => own.address.clone(),
    };
    let scheme = if own.public_tls.is_some() { "https" } else { "http" };
    let mut options = AgentOptions::new(vec![format!("{scheme}://{local}")]);
    // They call the process that they are in, under an address that its certificate need not name.
    options.insecure = true;
    options.token = tokens().agent.or_else(|| tokens().operator);
    let (clock, spawner) = (clock.clone(), Arc::clone(spawner));
    match SimulatedAgents::start(options, Arc::default(), clock, spawner, stop.clone()) {
        Ok(agents) => Arc::new(agents),
        Err(error) => {
            tracing::error!(%error, "the fake provider's machines run without agents");
            Arc::new(NoAgents)
        }
    }
}
