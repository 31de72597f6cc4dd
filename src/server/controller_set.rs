use std::sync::{Arc, OnceLock};

use navarch_cluster::Replica;
use tokio_util::sync::CancellationToken;

use super::{Options, booter::booter, host::Host, voters};
use crate::{
    controllers::{self, ControllerParts, Notifiers, Providers},
    leader::ControllerSet,
    ledger::Ledger,
    liveness::Liveness,
    metrics_source::Sources,
    notify::Environment,
    provider::registry::BuildContext,
    scaling::Autoscalers,
};

/// Makes the controllers of each session. The clouds are built with the first one, since machines bear the
/// id of the cluster, which a new group has not minted before and a restored one has from its snapshot.
pub(super) fn make(
    options: &Options,
    host: &Host,
    (replica, ledger): (&Replica, &Ledger),
    (liveness, metrics, autoscalers): (Arc<Liveness>, Arc<Sources>, Autoscalers),
    stopping: &CancellationToken,
) -> ControllerSet {
    let providers = OnceLock::new();
    let (replica, ledger) = (replica.clone(), ledger.clone());
    let (clock, spawner) = (host.clock.clone(), Arc::clone(&host.spawner));
    let stopping = stopping.clone();
    let own = options.config.replica.clone();
    let plugins = options.plugins.clone();
    let environment: Environment = Arc::new(|name| std::env::var(name).ok());
    let notifier = plugins.notifier.clone();
    let notifiers = Notifiers::new(clock.clone(), Arc::clone(&environment), notifier);
    let notifiers = Arc::new(notifiers);
    Arc::new(move || {
        let providers = providers.get_or_init(|| {
            let context = BuildContext {
                clock: clock.clone(),
                spawner: Arc::clone(&spawner),
                booter: booter(&own, &clock, &spawner, &stopping),
                voters: voters(&replica),
                replica: own.name.clone(),
                environment: Arc::clone(&environment),
                own: plugins.providers.clone(),
            };
            // A session is open, so the group is formed.
            let group_id = replica.status().cluster_id.unwrap_or_default();
            let cluster_id = ledger.view().fleet.cluster_id(&group_id).to_owned();
            Arc::new(Providers::new(context, cluster_id))
        });
        controllers::all(&ControllerParts {
            liveness: Arc::clone(&liveness),
            providers: Arc::clone(providers),
            metrics: Arc::clone(&metrics),
            autoscalers: autoscalers.clone(),
            notifiers: Arc::clone(&notifiers),
            observers: plugins.observers.clone(),
        })
    })
}
