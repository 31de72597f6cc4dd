use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Host;
use crate::{
    ledger::Ledger,
    metrics_source::{self, Heartbeats, Sources},
};

/// The sources of pools' figures.
pub(super) fn sources(host: &Host, heartbeats: Arc<Heartbeats>) -> Arc<Sources> {
    let (clock, spawner) = (host.clock.clone(), Arc::clone(&host.spawner));
    let environment: metrics_source::Environment = Arc::new(|name| std::env::var(name).ok());
    Arc::new(metrics_source::built_in(heartbeats, clock, spawner, environment))
}

/// While another replica leads, takes the samples that the autoscaler would take here, by the digests of the
/// log: so that a new leader knows a pool's last minutes, and a predictive strategy need not wait for them.
pub(super) async fn follow(ledger: Ledger, heartbeats: Arc<Heartbeats>, stop: CancellationToken) {
    let follow = async {
        loop {
            let interval_ms = ledger.view().fleet.settings().autoscale_interval_ms;
            ledger.clock().sleep(Duration::from_millis(interval_ms)).await;
            if ledger.standing().session().is_none() {
                heartbeats.follow(&ledger.view().fleet);
            }
        }
    };
    stop.run_until_cancelled(follow).await;
}
