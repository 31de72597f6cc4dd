use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{reply, router::Service};
use crate::fake_cloud::{estate::Kill, faults::FaultPlan, inner::Asked};

/// `PUT /v1/faults`.
pub(super) async fn set_faults(
    State(service): State<Service>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let plan: FaultPlan = match parse(body) {
        Ok(plan) => plan,
        Err(message) => return reply::invalid(message),
    };
    if let Err(refused) = plan.check() {
        return reply::invalid(refused.to_string());
    }
    tracing::info!(seed = plan.seed, faults = ?plan.faults, "faults set");
    service.estate.set_faults(plan.clone());
    Json(plan).into_response()
}

/// `GET /v1/faults`.
pub(super) async fn show_faults(State(service): State<Service>) -> Response {
    Json(service.estate.faults()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KillRequest {
    #[serde(default)]
    machine: Kill,
}

/// `POST /v1/admin/instances/{id}/kill`.
pub(super) async fn kill(
    State(service): State<Service>,
    mut asked: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request: KillRequest = match parse(body) {
        Ok(request) => request,
        Err(message) => return reply::invalid(message),
    };
    asked.instance_id = Some(id.clone());
    match service.estate.kill(&asked, &id, request.machine).await {
        Ok(Some(machine)) => Json(machine).into_response(),
        Ok(None) => reply::no_such_machine(&id),
        Err(closed) => closed.into_response(),
    }
}

/// `POST /v1/admin/instances/{id}/revive`.
pub(super) async fn revive(
    State(service): State<Service>,
    mut asked: Asked,
    Path(id): Path<String>,
) -> Response {
    asked.instance_id = Some(id.clone());
    match service.estate.revive(&asked, &id).await {
        Ok(Some(machine)) if machine.state.is_live() => Json(machine).into_response(),
        Ok(Some(machine)) => {
            let message = format!("machine {id:?} is {}; only a live one boots", machine.state);
            reply::error(StatusCode::CONFLICT, "not_live", message)
        }
        Ok(None) => reply::no_such_machine(&id),
        Err(closed) => closed.into_response(),
    }
}

/// `GET /v1/admin/receipts`.
pub(super) async fn receipts(State(service): State<Service>) -> Response {
    lines(service.receipts.all())
}

/// `GET /v1/admin/beats`.
pub(super) async fn beats(State(service): State<Service>) -> Response {
    let line = |(node_id, stretches)| json!({"node_id": node_id, "stretches": stretches});
    lines(service.beats.all().into_iter().map(line))
}

/// One JSON object a line.
fn lines(objects: impl IntoIterator<Item = impl Serialize>) -> Response {
    let mut lines = Vec::new();
    for object in objects {
        if serde_json::to_writer(&mut lines, &object).is_ok() {
            lines.push(b'\n');
        }
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

/// The content type is not looked at: nobody who tries a cloud out by hand sets it.
fn parse<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, String> {
    let body = body.map_err(|rejection| rejection.to_string())?;
    // No body is an empty object.
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
