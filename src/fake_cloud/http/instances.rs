use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{reply, router::Service, visit::Visit};
use crate::{
    fake_cloud::{
        faults::{FaultKind, Operation, STALE_LIMIT},
        inner::Asked,
    },
    provider::{
        MachineState,
        fake::{Filter, Terminated},
    },
};

/// Machines in a page unless `page_size` says otherwise, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_LIMIT: usize = 1_000;

/// `POST /v1/instances`.
pub(super) async fn order(
    State(service): State<Service>,
    asked: Asked,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let visit = match Visit::begin(service, asked, Operation::Order).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            let response = reply::invalid(format!("the body cannot be read: {rejection}"));
            return visit.without_effect(response).await;
        }
    };
    let estate = visit.service.estate.clone();
    if let Some(delay) = visit.hit.of(FaultKind::DelayedCommit) {
        match estate.order_later(&visit.asked, &body, delay).await {
            Ok(true) => return reply::internal("fault: delayed_commit"),
            Ok(false) => {}
            Err(closed) => return closed.into_response(),
        }
    }
    let response = match estate.order(&visit.asked, &body).await {
        Ok(Ok(ordered)) => {
            let status = if ordered.created { StatusCode::CREATED } else { StatusCode::OK };
            (status, Json(ordered.machine)).into_response()
        }
        Ok(Err(refusal)) => reply::refused(&refusal),
        Err(closed) => return closed.into_response(),
    };
    visit.end(response).await
}

/// `GET /v1/instances`.
pub(super) async fn list(
    State(service): State<Service>,
    asked: Asked,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let visit = match Visit::begin(service, asked, Operation::List).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let query = query.map_err(|rejection| rejection.to_string());
    let filter = match query.and_then(|Query(query)| filter(query)) {
        Ok(filter) => filter,
        Err(message) => return visit.without_effect(reply::invalid(message)).await,
    };
    let ago = visit.hit.of(FaultKind::StaleList).unwrap_or(Duration::ZERO);
    let ago = ago.min(STALE_LIMIT);
    let estate = &visit.service.estate;
    let response = match estate.list(&visit.asked, &filter, ago).await {
        Ok(page) => Json(json!({
            "instances": page.machines,
            "next_page_token": page.next.unwrap_or_default(),
        }))
        .into_response(),
        Err(closed) => return closed.into_response(),
    };
    visit.end(response).await
}

fn filter(query: Vec<(String, String)>) -> Result<Filter, String> {
    let mut filter = Filter { limit: PAGE_DEFAULT, ..Filter::default() };
    for (name, value) in query {
        match name.as_str() {
            "label" => {
                let Some((label, wanted)) = value.split_once('=') else {
                    return Err(format!("label is {value:?}; write it as name=value"));
                };
                filter.labels.push((label.to_owned(), wanted.to_owned()));
            }
            // An empty value is as good as none.
            "page_size" if value.is_empty() => {}
            "page_size" => match value.parse() {
                Ok(0) | Err(_) => {
                    return Err(format!("page_size is {value:?}; it must be at least 1"));
                }
                Ok(size) => filter.limit = PAGE_LIMIT.min(size),
            },
            "page_token" => filter.after = Some(value).filter(|token| !token.is_empty()),
            other => return Err(format!("there is no query parameter {other:?}")),
        }
    }
    Ok(filter)
}

/// `GET /v1/instances/{id}`.
pub(super) async fn get(
    State(service): State<Service>,
    mut asked: Asked,
    Path(id): Path<String>,
) -> Response {
    asked.instance_id = Some(id.clone());
    let visit = match Visit::begin(service, asked, Operation::Get).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let response = match visit.service.estate.get(&visit.asked, &id).await {
        Ok(Some(machine)) => Json(machine).into_response(),
        Ok(None) => reply::no_such_machine(&id),
        Err(closed) => return closed.into_response(),
    };
    visit.end(response).await
}

/// `DELETE /v1/instances/{id}`.
pub(super) async fn terminate(
    State(service): State<Service>,
    mut asked: Asked,
    Path(id): Path<String>,
) -> Response {
    asked.instance_id = Some(id.clone());
    let visit = match Visit::begin(service, asked, Operation::Terminate).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let response = match visit.service.estate.terminate(&visit.asked, &id).await {
        Ok(Terminated::Before(machine)) if machine.state == MachineState::Terminated => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(Terminated::Now(machine) | Terminated::Before(machine)) => {
            (StatusCode::ACCEPTED, Json(machine)).into_response()
        }
        Ok(Terminated::Unknown) => reply::no_such_machine(&id),
        Err(closed) => return closed.into_response(),
    };
    visit.end(response).await
}

/// `GET /v1/instance-types`.
pub(super) async fn types(State(service): State<Service>, asked: Asked) -> Response {
    let visit = match Visit::begin(service, asked, Operation::Types).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let response = match visit.service.estate.types(&visit.asked).await {
        Ok(types) => Json(types).into_response(),
        Err(closed) => return closed.into_response(),
    };
    visit.end(response).await
}
