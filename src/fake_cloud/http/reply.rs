use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{fake_cloud::ledger::LedgerClosed, provider::fake::Refusal};

/// Marks an answer that must not be sent: the connection is closed instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct DropConnection;

/// The protocol's error body.
pub(super) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Response {
    let body = json!({"error": {"code": code, "message": message.into()}});
    (status, Json(body)).into_response()
}

pub(super) fn invalid(message: impl Into<String>) -> Response {
    error(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
}

pub(super) fn no_such_machine(id: &str) -> Response {
    let message = format!("there is no machine {id:?}");
    error(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) fn internal(message: &str) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

pub(super) fn no_capacity(message: impl Into<String>) -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "insufficient_capacity", message)
}

pub(super) fn rate_limited(wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1);
    let message = format!("too many requests; ask again in {seconds} s");
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(super) fn refused(refusal: &Refusal) -> Response {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) => invalid(message),
        Refusal::Mismatch(_) => error(StatusCode::CONFLICT, "idempotency_mismatch", message),
        Refusal::NoCapacity { .. } | Refusal::SoldOut(_) => no_capacity(message),
        Refusal::Quota(_) => error(StatusCode::FORBIDDEN, "quota_exceeded", message),
    }
}

impl IntoResponse for LedgerClosed {
    fn into_response(self) -> Response {
        internal(&self.to_string())
    }
}
