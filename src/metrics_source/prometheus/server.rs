use std::time::Duration;

use navarch_host::Clock;
use navarch_proto::fleet::PrometheusSpec;
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use tokio::sync::Semaphore;

use super::{Environment, answer};
use crate::outbound::{self, Body, Trust, causes, read_body};

/// Queries under way at one server.
const QUERIES_AT_ONCE: usize = 32;
/// Answers longer than this are not read on: one number is asked for.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// A Prometheus server and how to talk to it.
pub(super) struct Server {
    client: Client,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    permits: Semaphore,
}

impl Server {
    /// The server that a pool's configuration names, or why it cannot be asked. Connects to nothing yet.
    pub(super) fn new(spec: &PrometheusSpec, environment: &Environment) -> Result<Self, String> {
        let mut endpoint = Url::parse(&spec.url).map_err(|error| format!("its url: {error}"))?;
        endpoint
            .path_segments_mut()
            .map_err(|()| "its url cannot be followed by a path".to_owned())?
            .pop_if_empty()
            .extend(["api", "v1", "query"]);
        let authorization = match spec.token_env.as_str() {
            "" => None,
            variable => Some(bearer(variable, environment)?),
        };
        let trust = if endpoint.scheme() == "https" { Trust::System } else { Trust::Plaintext };
        let client = outbound::client(concat!("navarch/", env!("CARGO_PKG_VERSION")), trust)?;
        Ok(Self { client, endpoint, authorization, permits: Semaphore::new(QUERIES_AT_ONCE) })
    }

    /// The one number that `query` answers, or why there is none. Waiting for a turn counts towards `limit`.
    pub(super) async fn ask(
        &self,
        query: &str,
        clock: &Clock,
        limit: Duration,
    ) -> Result<f64, String> {
        let late = |_| format!("no answer within {} s", limit.as_secs_f64());
        clock.timeout(limit, self.exchange(query, limit)).await.map_err(late)?
    }

    async fn exchange(&self, query: &str, limit: Duration) -> Result<f64, String> {
        let _turn = self.permits.acquire().await.map_err(|_| "it is not asked any more")?;
        let timeout = format!("{}ms", limit.as_millis());
        let request = self.client.get(self.endpoint.clone());
        let request = request.query(&[("query", query), ("timeout", timeout.as_str())]);
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        };
        let response = request.send().await.map_err(|error| causes(&error.without_url()))?;
        let status = response.status().as_u16();
        answer::read(status, &body(response).await?)
    }
}

async fn body(response: Response) -> Result<Vec<u8>, String> {
    let broken = |error: reqwest::Error| format!("the answer broke off: {}", causes(&error));
    let Body { bytes, cut } = read_body(response, ANSWER_LIMIT).await.map_err(broken)?;
    if cut {
        return Err(format!("the answer is longer than {ANSWER_LIMIT} bytes"));
    }
    Ok(bytes)
}

/// Secrets come from the environment alone, and never enter the log.
fn bearer(variable: &str, environment: &Environment) -> Result<HeaderValue, String> {
    let token = environment(variable).filter(|token| !token.is_empty()).ok_or_else(|| {
        format!(
            "token_env names {variable:?}, which this replica's environment lacks; set it and restart \
             the replica"
        )
    })?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| format!("the token in {variable:?} has characters that no header holds"))?;
    value.set_sensitive(true);
    Ok(value)
}
