use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{
    reply::{self, DropConnection},
    router::Service,
};
use crate::fake_cloud::{
    faults::{FaultKind, Hit, Operation},
    inner::Asked,
};

/// The address that a connection came from; every request of it carries it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let agent = text(&parts.headers, header::USER_AGENT.as_str()).unwrap_or_default();
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map(|peer| peer.0.to_string()).unwrap_or_default();
        Ok(Self {
            method: parts.method.to_string(),
            session: text(&parts.headers, "navarch-session").and_then(|text| text.parse().ok()),
            key: text(&parts.headers, "idempotency-key"),
            instance_id: None,
            caller: format!("{agent} {peer}").trim().to_owned(),
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// One request of the protocol between the faults that come before its effect and those that come after.
pub(super) struct Visit {
    pub(super) service: Service,
    pub(super) asked: Asked,
    pub(super) hit: Hit,
}

impl Visit {
    /// Draws what hits the request, waits if it is to be slow, and answers it already if a fault says so.
    pub(super) async fn begin(
        service: Service,
        asked: Asked,
        operation: Operation,
    ) -> Result<Self, Response> {
        let hit = service.estate.meet(operation);
        if !hit.slow.is_zero() {
            service.estate.clock().sleep(hit.slow).await;
        }
        let visit = Self { service, asked, hit };
        match visit.fault_before() {
            Some(response) => Err(visit.without_effect(response).await),
            None => Ok(visit),
        }
    }

    fn fault_before(&self) -> Option<Response> {
        let (kind, delay) = self.hit.fault?;
        match kind {
            FaultKind::RateLimited => Some(reply::rate_limited(delay)),
            FaultKind::ErrorBefore => Some(reply::internal("fault: error_before")),
            FaultKind::NoCapacity => {
                let key = self.asked.key.as_deref().unwrap_or_default();
                let is_new = !self.service.estate.has_sold(key);
                is_new.then(|| reply::no_capacity("fault: no_capacity"))
            }
            FaultKind::Spurious404 => {
                let id = self.asked.instance_id.as_deref()?;
                let shown = self.service.estate.shows(id);
                shown.then(|| reply::no_such_machine(id))
            }
            FaultKind::SuccessThenTimeout
            | FaultKind::DelayedCommit
            | FaultKind::ErrorAfter
            | FaultKind::StaleList
            | FaultKind::Slow => None,
        }
    }

    /// Answers a request that did nothing, and records it.
    pub(super) async fn without_effect(&self, response: Response) -> Response {
        match self.service.estate.note(&self.asked).await {
            Ok(()) => response,
            Err(closed) => closed.into_response(),
        }
    }

    /// Answers a request that was carried out and recorded, unless a fault says otherwise.
    pub(super) async fn end(self, response: Response) -> Response {
        if self.hit.of(FaultKind::ErrorAfter).is_some() {
            return reply::internal("fault: error_after");
        }
        if let Some(delay) = self.hit.of(FaultKind::SuccessThenTimeout) {
            self.service.estate.clock().sleep(delay).await;
            let mut response = reply::internal("fault: success_then_timeout");
            response.extensions_mut().insert(DropConnection);
            return response;
        }
        response
    }
}
