use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use navarch_host::Clock;
use reqwest::{Client, RequestBuilder, Url};
use serde::{Deserialize, Serialize};

use super::{
    DrainStatus, Environment, HealthTransition, NodeHealthObserver, Notice, Notifier, NotifyError,
    exchange::{Answer, exchange, quote},
    headers::expand,
};
use crate::outbound::{self, Trust};

/// What a [`Webhook`] is made of. An empty url: nobody to tell.
pub struct WebhookParts {
    /// Told of cordons.
    pub cordon_url: String,
    /// Told of uncordons.
    pub uncordon_url: String,
    /// Asked for drains.
    pub drain_url: String,
    /// Asked how far a drain has come.
    pub drain_status_url: String,
    /// Told of changes of nodes' health.
    pub health_url: String,
    /// Sent with each call; values may hold `${VARIABLE}`.
    pub headers: BTreeMap<String, String>,
    /// Limit of one call, connecting included.
    pub timeout: Duration,
    /// What the limit is measured by.
    pub clock: Clock,
    /// Where the variables of headers come from.
    pub environment: Environment,
}

/// A workload system behind urls.
pub struct Webhook {
    parts: WebhookParts,
    client: Client,
}

#[derive(Serialize)]
struct NoticeBody<'a> {
    event: &'a str,
    node_id: &'a str,
    reason: &'a str,
    timestamp: String,
}

#[derive(Serialize)]
struct HealthBody<'a> {
    event: &'a str,
    event_index: u64,
    node_id: &'a str,
    from: &'a str,
    to: &'a str,
    rule: &'a str,
    reason: &'a str,
    timestamp: String,
}

#[derive(Deserialize)]
struct StatusBody {
    drained: bool,
    #[serde(default)]
    message: String,
}

impl Webhook {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// If no HTTP client can be made.
    pub fn new(parts: WebhookParts) -> Result<Self, NotifyError> {
        let urls = [
            &parts.cordon_url,
            &parts.uncordon_url,
            &parts.drain_url,
            &parts.drain_status_url,
            &parts.health_url,
        ];
        let encrypted = urls.iter().any(|url| url.starts_with("https:"));
        let client = client(encrypted)?;
        Ok(Self { parts, client })
    }

    async fn tell<B: Serialize + Sync>(
        &self,
        (key, url): (&str, &str),
        body: &B,
    ) -> Result<(), NotifyError> {
        if url.is_empty() {
            return Ok(());
        }
        let told = async { self.send(self.client.post(parsed(url)?).json(body)).await };
        told.await.map(|_| ()).map_err(|error| at(key, error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, NotifyError> {
        let headers = expand(&self.parts.headers, &self.parts.environment)?;
        exchange(request.headers(headers), &self.parts.clock, self.parts.timeout).await
    }

    async fn ask(&self, node_id: &str) -> Result<DrainStatus, NotifyError> {
        let url = parsed(&self.parts.drain_status_url)?;
        let answer = self.send(self.client.get(url).query(&[("node_id", node_id)])).await?;
        let StatusBody { drained, message } = answer.json()?;
        let message = if message.is_empty() { message } else { quote(message.as_bytes()) };
        Ok(DrainStatus { drained, message })
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn cordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.tell(("cordon_url", &self.parts.cordon_url), &body("cordon", notice)).await
    }

    async fn uncordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.tell(("uncordon_url", &self.parts.uncordon_url), &body("uncordon", notice)).await
    }

    async fn drain(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.tell(("drain_url", &self.parts.drain_url), &body("drain", notice)).await
    }

    async fn drain_status(&self, node_id: &str) -> Result<DrainStatus, NotifyError> {
        if self.parts.drain_status_url.is_empty() {
            let message = "it took notice, and has no drain_status_url to ask at".to_owned();
            return Ok(DrainStatus { drained: true, message });
        }
        self.ask(node_id).await.map_err(|error| at("drain_status_url", error))
    }
}

#[async_trait]
impl NodeHealthObserver for Webhook {
    async fn on_health_transition(&self, transition: &HealthTransition) -> Result<(), NotifyError> {
        let body = HealthBody {
            event: "health",
            event_index: transition.event_index,
            node_id: &transition.node_id,
            from: &transition.from,
            to: &transition.to,
            rule: &transition.rule,
            reason: &transition.reason,
            timestamp: rfc_3339(transition.at_ms),
        };
        self.tell(("health_url", &self.parts.health_url), &body).await
    }
}

fn body<'a>(event: &'a str, notice: &'a Notice) -> NoticeBody<'a> {
    NoticeBody {
        event,
        node_id: &notice.node_id,
        reason: &notice.reason,
        timestamp: rfc_3339(notice.at_ms),
    }
}

/// With the key that names the url which was called.
fn at(key: &str, error: NotifyError) -> NotifyError {
    match error {
        NotifyError::Refused(words) => NotifyError::Refused(words),
        NotifyError::Failed(why) => NotifyError::Failed(format!("{key}: {why}")),
    }
}

fn parsed(url: &str) -> Result<Url, NotifyError> {
    Url::parse(url).map_err(|error| NotifyError::Failed(format!("not a url: {error}")))
}

/// UTC with milliseconds; times after the year 9999 are written as its last moment.
fn rfc_3339(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(jiff::Timestamp::MAX))
}

fn client(encrypted: bool) -> Result<Client, NotifyError> {
    let trust = if encrypted { Trust::System } else { Trust::Plaintext };
    let made = outbound::client(concat!("navarch/", env!("CARGO_PKG_VERSION")), trust);
    made.map_err(|why| NotifyError::Failed(format!("HTTP client: {why}")))
}
