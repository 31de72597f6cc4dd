use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use prost::Message as _;
use serde::Serialize;
use tonic::{Code, Status};

/// The name of `code` in Connect's errors.
pub(in crate::api) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        // Success is no error; a status that carries it here was not meant to.
        Code::Ok | Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The HTTP status of a unary call that ends with `code`, from the table of the Connect specification.
pub(super) fn http_status(code: Code) -> StatusCode {
    let number = match code {
        Code::Cancelled => 499,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A call that failed: its status, and the headers that go with the answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) headers: HeaderMap,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let headers = status.metadata().clone().into_headers();
        Self { status, headers }
    }
}

impl Failure {
    /// The answer of a unary call.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(error_json(&self.status)));
        *response.status_mut() = http_status(self.status.code());
        *response.headers_mut() = self.headers;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// The answer to an HTTP request that is no call, in the form of a call's.
pub(in crate::api) fn refusal(status: Status) -> Response<Body> {
    Failure::from(status).into_response()
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorBody<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Debug, Serialize)]
struct Detail {
    #[serde(rename = "type")]
    type_name: String,
    value: String,
}

/// The part of `google.rpc.Status` that a gRPC status carries besides its code and message.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

impl<'a> ErrorBody<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        // Details that are no google.rpc.Status cannot be told to a Connect client.
        let details = RpcStatus::decode(status.details()).unwrap_or_default();
        let details = details.details.into_iter().map(|any| Detail {
            type_name: any.type_url.rsplit('/').next().unwrap_or_default().to_owned(),
            value: STANDARD_NO_PAD.encode(&any.value),
        });
        Self {
            code: code_name(status.code()),
            message: status.message(),
            details: details.collect(),
        }
    }
}

/// `status` as the JSON of a Connect error.
pub(super) fn error_json(status: &Status) -> Vec<u8> {
    // Strings and lists of strings always become JSON.
    serde_json::to_vec(&ErrorBody::of(status)).unwrap_or_default()
}

/// An answer that says what is wrong with the request's method, path or content type.
pub(super) fn negotiation_failure(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Failure::from(Status::unimplemented(message)).into_response();
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it clients could not read the typed details of an error.
    #[test]
    fn details_are_told_by_type_and_value() {
        let details = RpcStatus {
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: vec![0x0a, 0x02, 0x08, 0x3c],
            }],
        };
        let status = Status::with_details(
            Code::Unavailable,
            "no leader: \"retry\"",
            details.encode_to_vec().into(),
        );
        assert_eq!(
            String::from_utf8(error_json(&status)).unwrap(),
            r#"{"code":"unavailable","message":"no leader: \"retry\"","details":[{"type":"google.rpc.RetryInfo","value":"CgIIPA"}]}"#
        );
        assert_eq!(error_json(&Status::new(Code::Aborted, "")), br#"{"code":"aborted"}"#);
    }
}
