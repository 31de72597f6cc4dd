use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use super::call::Api;

/// A replica that cannot confirm within this time that it is up to date is not ready; two failed probes
/// stay below the two seconds after which a cut-off follower must say so.
const READY_TIMEOUT: Duration = Duration::from_millis(800);

/// `/healthz` (this process runs), `/readyz` (it can serve an up-to-date answer) and `/metrics`, all
/// without a token.
pub fn probes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(expose))
        .with_state(api)
}

/// Whether this replica can serve an up-to-date answer now; else why not.
pub(super) async fn readiness(api: &Api) -> Result<(), String> {
    let deadline = api.clock().now() + READY_TIMEOUT;
    match api.ledger.linearizable_view(deadline).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn ready(State(api): State<Arc<Api>>) -> impl IntoResponse {
    match readiness(&api).await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn expose(State(api): State<Arc<Api>>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], api.exposition.text(&api).await)
}
