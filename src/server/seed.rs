use std::time::Duration;

use navarch_proto::fleet::{ApplyFleetSpec, FleetSpec, proposal::Kind};
use tokio_util::sync::CancellationToken;

use crate::{
    config,
    ledger::{Author, Ledger, ProposeError},
};

/// Pause before the first configuration is proposed again.
const SEED_RETRY: Duration = Duration::from_millis(500);
/// How long one attempt to propose it may take.
const SEED_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives a new group its first configuration, until `stop`.
pub(super) async fn seed(
    ledger: Ledger,
    spec: FleetSpec,
    replica: String,
    stop: CancellationToken,
) {
    stop.run_until_cancelled(propose(ledger, spec, replica)).await;
}

/// Gives a new group the configuration of the file that its first leader was started with. Later files
/// change nothing by themselves; this replica says so when its own differs.
async fn propose(ledger: Ledger, spec: FleetSpec, replica: String) {
    let author = Author::caller(format!("replica:{replica}"));
    loop {
        let mut views = ledger.views();
        let mut standings = ledger.standings();
        if let Some(applied) = views.borrow_and_update().fleet.spec() {
            let changes = config::diff(applied, &spec);
            if !changes.is_empty() {
                tracing::warn!(
                    differences = changes.len(),
                    first = changes[0],
                    "this replica's file differs from the fleet's configuration, which is served; \
                     `navarch apply` changes it"
                );
            }
            return;
        }
        if standings.borrow_and_update().session().is_some() {
            let spec = Some(spec.clone());
            let apply = ApplyFleetSpec { spec, only_if_unset: true, force: false };
            let deadline = ledger.clock().now() + SEED_TIMEOUT;
            let proposed = ledger.propose(Kind::ApplyFleetSpec(apply), &author, deadline).await;
            match proposed {
                Ok(_) => return,
                Err(ProposeError::Rejected { rejection, .. }) => {
                    tracing::error!(
                        reason = rejection.message,
                        "the file's configuration was refused; mend it and `navarch apply` it"
                    );
                    return;
                }
                Err(error) => tracing::warn!(%error, "the first configuration was not applied"),
            }
            ledger.clock().sleep(SEED_RETRY).await;
            continue;
        }
        tokio::select! {
            _ = views.changed() => {}
            _ = standings.changed() => {}
        }
    }
}
