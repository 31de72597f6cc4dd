use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use async_trait::async_trait;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    conclude::{Kind, quote},
    options::{HttpOptions, HttpOptionsError},
    transport::{Reply, exchange},
};
use crate::provider::{InstanceType, Machine, Order, Provider, ProviderError, Termination};

/// Machines asked for in one page.
const PAGE_SIZE: &str = "500";

/// A listing of more pages than this is taken for one that never ends.
const PAGE_LIMIT: usize = 10_000;

/// Longest id of a machine, in bytes.
const ID_LIMIT: usize = 256;

/// A cloud behind a url.
pub struct HttpProvider {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    options: HttpOptions,
}

#[derive(Deserialize)]
struct Page {
    instances: Vec<Machine>,
    #[serde(default)]
    next_page_token: Option<String>,
}

impl HttpProvider {
    /// A provider as `options` say. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// Options that cannot work, see [`HttpOptionsError`].
    pub fn new(options: HttpOptions) -> Result<Self, HttpOptionsError> {
        let base = options.base()?;
        let client = options.client(&base)?;
        if options.token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            tracing::warn!(url = %base, "the provider's token travels in the clear; use https");
        }
        let authorization = match &options.token {
            Some(token) => {
                let text = format!("Bearer {}", token.expose_secret());
                let mut value =
                    HeaderValue::from_str(&text).map_err(|_| HttpOptionsError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self { client, base, authorization, options })
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        // A checked base always has a path to extend.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        let request = self.client.request(method, url);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Every call carries `navarch-session`; a read is made for no session and says 0.
    async fn ask(
        &self,
        request: RequestBuilder,
        session: u64,
        kind: Kind,
    ) -> Result<Reply, ProviderError> {
        let request = request.header("navarch-session", session);
        exchange(request, &self.options.clock, self.options.timeout)
            .await
            .map_err(|loss| kind.lost(loss))
    }

    async fn page(&self, label: &str, token: &str) -> Result<Page, ProviderError> {
        let mut query = vec![("label", label), ("page_size", PAGE_SIZE)];
        if !token.is_empty() {
            query.push(("page_token", token));
        }
        let request = self.request(Method::GET, &["instances"]).query(&query);
        let reply = self.ask(request, 0, Kind::Read).await?;
        match reply.status {
            StatusCode::OK => decode(&reply, Kind::Read),
            _ => Err(Kind::Read.refused(&reply)),
        }
    }
}

#[async_trait]
impl Provider for HttpProvider {
    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError> {
        let key = HeaderValue::from_str(&order.instance_id).map_err(|_| {
            let id = quote(order.instance_id.as_bytes());
            ProviderError::Invalid(format!("instance id {id:?} does not fit a header"))
        })?;
        let request = self
            .request(Method::POST, &["instances"])
            .header("idempotency-key", key)
            .header(CONTENT_TYPE, "application/json")
            .body(order.request_body.clone());
        let reply = self.ask(request, session, Kind::Change).await?;
        match reply.status {
            StatusCode::OK | StatusCode::CREATED => {
                let machine: Machine = decode(&reply, Kind::Change)?;
                check_id(&machine, Kind::Change)?;
                check_key(&machine, order)?;
                Ok(machine)
            }
            _ => Err(Kind::Change.refused(&reply)),
        }
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        check_ref(provider_ref)?;
        let request = self.request(Method::GET, &["instances", provider_ref]);
        let reply = self.ask(request, 0, Kind::Read).await?;
        match reply.status {
            StatusCode::OK => {
                let machine: Machine = decode(&reply, Kind::Read)?;
                if machine.id == provider_ref {
                    Ok(Some(machine))
                } else {
                    let other = quote(machine.id.as_bytes());
                    Err(ProviderError::Unanswered(format!(
                        "asked for machine {provider_ref:?}, the answer is about {other:?}"
                    )))
                }
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Kind::Read.refused(&reply)),
        }
    }

    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let (name, value) = label;
        let filter = format!("{name}={value}");
        let mut machines = BTreeMap::new();
        let mut tokens = HashSet::new();
        let mut token = String::new();
        loop {
            let page = self.page(&filter, &token).await?;
            for machine in page.instances {
                check_id(&machine, Kind::Read)?;
                // A provider that ignores the filter must not make us touch machines of others.
                if machine.labels.get(name).is_some_and(|label| label == value) {
                    machines.insert(machine.id.clone(), machine);
                }
            }
            token = page.next_page_token.unwrap_or_default();
            if token.is_empty() {
                return Ok(machines.into_values().collect());
            }
            if !tokens.insert(token.clone()) || tokens.len() >= PAGE_LIMIT {
                let token = quote(token.as_bytes());
                return Err(ProviderError::Unanswered(format!(
                    "the listing does not end: page token {token:?} came back, or more than \
                     {PAGE_LIMIT} pages"
                )));
            }
        }
    }

    async fn terminate(
        &self,
        provider_ref: &str,
        session: u64,
    ) -> Result<Termination, ProviderError> {
        check_ref(provider_ref)?;
        let request = self.request(Method::DELETE, &["instances", provider_ref]);
        let reply = self.ask(request, session, Kind::Change).await?;
        match reply.status {
            StatusCode::ACCEPTED => Ok(Termination::Accepted),
            StatusCode::NO_CONTENT => Ok(Termination::Gone),
            StatusCode::NOT_FOUND => Ok(Termination::NeverExisted),
            _ => Err(Kind::Change.refused(&reply)),
        }
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        let request = self.request(Method::GET, &["instance-types"]);
        let reply = self.ask(request, 0, Kind::Read).await?;
        match reply.status {
            StatusCode::OK => decode(&reply, Kind::Read),
            _ => Err(Kind::Read.refused(&reply)),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn decode<T: DeserializeOwned>(reply: &Reply, kind: Kind) -> Result<T, ProviderError> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        let body = quote(&reply.body);
        kind.unsettled(format!(
            "{} with a body that is not the protocol's ({error}): {body}",
            reply.status
        ))
    })
}

fn check_id(machine: &Machine, kind: Kind) -> Result<(), ProviderError> {
    usable_id(&machine.id).map_err(|reason| {
        let id = quote(machine.id.as_bytes());
        kind.unsettled(format!("the answer holds a machine id {id:?} that {reason}"))
    })
}

/// An answer about another order settles nothing about ours.
fn check_key(machine: &Machine, order: &Order) -> Result<(), ProviderError> {
    if machine.idempotency_key.is_empty() || machine.idempotency_key == order.instance_id {
        return Ok(());
    }
    Err(ProviderError::Ambiguous(format!(
        "ordered under {:?}, the answer is machine {:?} of the order {:?}",
        order.instance_id,
        machine.id,
        quote(machine.idempotency_key.as_bytes())
    )))
}

/// Guards the path that an id becomes part of.
fn check_ref(provider_ref: &str) -> Result<(), ProviderError> {
    usable_id(provider_ref).map_err(|reason| {
        let id = quote(provider_ref.as_bytes());
        ProviderError::Invalid(format!("machine id {id:?} {reason}"))
    })
}

fn usable_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        Err("is empty")
    } else if id.len() > ID_LIMIT {
        Err("is longer than 256 bytes")
    } else if id.chars().any(char::is_control) {
        Err("has control characters")
    } else if id == "." || id == ".." {
        Err("would change the path it is asked under")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use navarch_fuzz::Target;

    use super::*;

    const WORDS: [&str; 12] = [
        "instances",
        "next_page_token",
        "id",
        "state",
        "running",
        "price_per_hour",
        "labels",
        "created_at",
        "2026-11-27T10:00:00Z",
        "error",
        "code",
        "insufficient_capacity",
    ];

    /// Without it a provider's answer could end the leader, and then the next one.
    #[test]
    fn fuzz_answers_are_understood_or_quoted() {
        let machine = r#"{"id":"m-1","idempotency_key":"i1","state":"running","region":"eu","zone":"eu-1",
            "instance_type":"h100","price_per_hour":2.5,"labels":{"pool":"a"},"created_at":"2026-11-27T10:00:00Z"}"#;
        let page = format!(r#"{{"instances":[{machine}],"next_page_token":"x"}}"#);
        let target = Target::text("provider-answer", &WORDS).seed(machine).seed(page);
        let error = r#"{"error":{"code":"insufficient_capacity","message":"no h100 in eu"}}"#;
        let types = r#"[{"name":"h100","gpu_count":8,"price_per_hour":2.5,"regions":["eu"],"available":true}]"#;
        target.seed(error).seed(types).check(|body| {
            for status in [200, 302, 409, 429, 503] {
                let reply = Reply {
                    status: StatusCode::from_u16(status).unwrap(),
                    retry_after: Some(Duration::from_secs(1)),
                    location: Some(String::from_utf8_lossy(body).into_owned()),
                    body: body.to_vec(),
                };
                let said = Kind::Change.refused(&reply).to_string();
                assert!(said.len() < 4_000 && !said.chars().any(char::is_control), "{said:?}");
                let _ = decode::<Page>(&reply, Kind::Read);
                let _ = decode::<Vec<InstanceType>>(&reply, Kind::Read);
                if let Ok(machine) = decode::<Machine>(&reply, Kind::Change) {
                    let _ = check_id(&machine, Kind::Change);
                }
            }
        });
    }
}
