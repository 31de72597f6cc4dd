use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::{
    ledger::Ledger,
    metrics_source::{self, Heartbeats, MetricsSource, Sources},
    scaling::Autoscalers,
};

/// The sources of pools' figures, those of the embedding program last.
pub(super) fn sources(
    host: &Host,
    heartbeats: Arc<Heartbeats>,
    own: &[Arc<dyn MetricsSource>],
) -> Arc<Sources> {
    let (clock, spawner) = (host.clock.clone(), Arc::clone(&host.spawner));
    let environment: metrics_source::Environment = Arc::new(|name| std::env::var(name).ok());
    let built_in = metrics_source::built_in(heartbeats, clock, spawner, environment);
    Arc::new(own.iter().fold(built_in, |all, source| all.with(Arc::clone(source))))
}

/// While another replica leads, takes the samples that the autoscaler would take here, by the digests of the
/// log: so that a new leader knows a pool's last minutes, and a predictive strategy need not wait for them.
pub(super) async fn follow(
    ledger: Ledger,
    (heartbeats, autoscalers): (Arc<Heartbeats>, Autoscalers),
    stop: CancellationToken,
) {
    let follow = async {
        loop {
            let interval_ms = ledger.view().fleet.settings().autoscale_interval_ms;
            ledger.clock().sleep(Duration::from_millis(interval_ms)).await;
            if ledger.standing().session().is_none() {
                heartbeats.follow(&ledger.view().fleet, &autoscalers);
            }
        }
    };
    stop.run_until_cancelled(follow).await;
}
