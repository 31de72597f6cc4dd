use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{control, instances, ledger_stream, reply};
use crate::fake_cloud::{
    agents::{Beats, Receipts},
    estate::Estate,
};

/// Longest request body, in bytes.
const BODY_LIMIT: usize = 256 * 1024;

/// What every handler has at hand.
#[derive(Clone)]
pub(in crate::fake_cloud) struct Service {
    pub(in crate::fake_cloud) estate: Arc<Estate>,
    pub(in crate::fake_cloud) receipts: Arc<Receipts>,
    pub(in crate::fake_cloud) beats: Arc<Beats>,
    pub(in crate::fake_cloud) token: Option<SecretString>,
}

/// All paths of the fake cloud.
pub(in crate::fake_cloud) fn router(service: Service) -> Router {
    Router::new()
        .route("/v1/instances", get(instances::list).post(instances::order))
        .route("/v1/instances/{id}", get(instances::get).delete(instances::terminate))
        .route("/v1/instance-types", get(instances::types))
        .route("/v1/ledger", get(ledger_stream::ledger))
        .route("/v1/faults", put(control::set_faults).get(control::show_faults))
        .route("/v1/admin/instances/{id}/kill", post(control::kill))
        .route("/v1/admin/instances/{id}/revive", post(control::revive))
        .route("/v1/admin/receipts", get(control::receipts))
        .route("/v1/admin/beats", get(control::beats))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(service.clone(), authorise))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}

async fn authorise(State(service): State<Service>, request: Request, next: Next) -> Response {
    let Some(token) = &service.token else {
        return next.run(request).await;
    };
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if bool::from(presented.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        next.run(request).await
    } else {
        let message = "this cloud needs authorization: Bearer <token>, and not this one";
        reply::error(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }
}

async fn no_such_path(request: Request) -> Response {
    let message = format!("there is no {}", request.uri().path());
    reply::error(StatusCode::NOT_FOUND, "not_found", message)
}

async fn no_such_method(request: Request) -> Response {
    let message = format!("{} cannot be asked of {}", request.method(), request.uri().path());
    reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
