use std::{sync::Arc, time::Duration};

use navarch_host::Clock;
use navarch_proto::fleet::NotifierSpec;

use super::{NodeHealthObserver, Noop, Notifier, NotifyError, Webhook, WebhookParts};

/// Reads a variable of the environment: secrets are never part of the fleet state.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The limit of one call where the configuration has none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

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

    /// As `spec` says. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// A specification that cannot work here.
    pub fn build(
        spec: &NotifierSpec,
        clock: &Clock,
        environment: &Environment,
    ) -> Result<Self, NotifyError> {
        if spec.r#type != "webhook" {
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
