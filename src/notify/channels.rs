use std::{sync::Arc, time::Duration};

use navarch_host::Clock;
use navarch_proto::fleet::NotifierSpec;

use super::{
    NodeHealthObserver, Noop, Notifier, NotifyError, Webhook, WebhookParts, guarded::Guarded,
};

/// Reads a variable of the environment: secrets are never part of the fleet state.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A notifier's `type`: a workload system behind urls, and one that the embedding program speaks to itself.
const WEBHOOK: &str = "webhook";
const CUSTOM: &str = "custom";

/// The limit of one call where the configuration has none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether `spec` names a workload system that is told of nodes.
pub fn tells_workloads(spec: Option<&NotifierSpec>) -> bool {
    spec.is_some_and(|spec| spec.r#type == WEBHOOK || spec.r#type == CUSTOM)
}

/// Those whom the configuration has told.
#[derive(Clone)]
pub struct Channels {
    /// The workload system.
    pub notifier: Arc<dyn Notifier>,
    /// Who is told of nodes' health, if anybody is.
    pub health: Option<Arc<dyn NodeHealthObserver>>,
}

impl Channels {
    /// Nobody is told anything.
    pub fn noop() -> Self {
        Self { notifier: Arc::new(Noop), health: None }
    }

    /// As `spec` says; `own` is the notifier of the program that this replica is part of, if it has one. Connects
    /// to nothing yet.
    ///
    /// # Errors
    ///
    /// A specification that cannot work here.
    pub fn build(
        spec: &NotifierSpec,
        clock: &Clock,
        environment: &Environment,
        own: Option<&Arc<dyn Notifier>>,
    ) -> Result<Self, NotifyError> {
        if spec.r#type == CUSTOM {
            let Some(own) = own.cloned() else {
                return Err(NotifyError::Failed(
                    "server.notifier is of type custom, and the program of the leading replica has none; run a \
                     program that does on every replica, or set another type"
                        .to_owned(),
                ));
            };
            let notifier = Arc::new(Guarded { notifier: own, clock: clock.clone() });
            return Ok(Self { notifier, health: None });
        }
        if spec.r#type != WEBHOOK {
            return Ok(Self::noop());
        }
        let webhook = Arc::new(Webhook::new(WebhookParts {
            cordon_url: spec.cordon_url.clone(),
            uncordon_url: spec.uncordon_url.clone(),
            drain_url: spec.drain_url.clone(),
            drain_status_url: spec.drain_status_url.clone(),
            health_url: spec.health_url.clone(),
            headers: spec.headers.clone(),
            timeout: match spec.timeout_ms {
                0 => DEFAULT_TIMEOUT,
                timeout_ms => Duration::from_millis(timeout_ms),
            },
            clock: clock.clone(),
            environment: Arc::clone(environment),
        })?);
        let health = (!spec.health_url.is_empty()).then(|| Arc::clone(&webhook) as _);
        Ok(Self { notifier: webhook, health })
    }
}
