use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, client::SendRequest};
use http::{HeaderMap, Request, StatusCode, response};
use navarch_proto::frame::MAX_FRAME;
use tonic::{Code, Status};

use super::{
    connection::{Connection, InFlight},
    error::TryError,
    incoming::Incoming,
};

const GRPC_STATUS: &str = "grpc-status";

/// What a replica sent back for one request: `B` is the gathered message, or the stream that goes on.
pub(super) struct Reply<B> {
    pub(super) headers: HeaderMap,
    pub(super) body: B,
    /// None: all is well.
    pub(super) refusal: Option<Status>,
}

/// Sends one framed request and gathers the whole answer.
pub(super) async fn unary(
    connection: Connection,
    request: Request<()>,
    body: Bytes,
) -> Result<Reply<Bytes>, TryError> {
    let (sender, in_flight) = connection.begin();
    let result = gather(sender, &in_flight, request, body).await;
    result.map_err(|error| broken(&in_flight, &error))
}

/// Sends one framed request whose answer is a stream; the reply is there as soon as its head is.
pub(super) async fn streaming(
    connection: Connection,
    request: Request<()>,
    body: Bytes,
) -> Result<Reply<Incoming>, TryError> {
    let (sender, in_flight) = connection.begin();
    let result = begin(sender, &in_flight, request, body).await;
    let (head, incoming) = result.map_err(|error| broken(&in_flight, &error))?;
    let refusal = if head.headers.contains_key(GRPC_STATUS) || head.status != StatusCode::OK {
        refusal(None, &head, &[])
    } else {
        None
    };
    Ok(Reply { headers: head.headers, body: Incoming::new(incoming, in_flight), refusal })
}

fn broken(in_flight: &InFlight, error: &h2::Error) -> TryError {
    // A reset ends one stream; all else ends the connection or says that it is ending.
    if !error.is_reset() {
        in_flight.close_connection();
    }
    if error.reason() == Some(Reason::FRAME_SIZE_ERROR) && !in_flight.has_heard() {
        let message = "what answers speaks no HTTP/2 in the clear; if it is a replica with server.tls, write https:// \
                       before its address or give --ca-file";
        return TryError::Broken(message.into());
    }
    TryError::Broken(error.to_string().into())
}

async fn begin(
    sender: SendRequest<Bytes>,
    in_flight: &InFlight,
    request: Request<()>,
    body: Bytes,
) -> Result<(response::Parts, RecvStream), h2::Error> {
    let mut sender = sender.ready().await?;
    let (response, mut stream) = sender.send_request(request, false)?;
    stream.send_data(body, true)?;
    let (head, incoming) = response.await?.into_parts();
    in_flight.heard();
    Ok((head, incoming))
}

async fn gather(
    sender: SendRequest<Bytes>,
    in_flight: &InFlight,
    request: Request<()>,
    body: Bytes,
) -> Result<Reply<Bytes>, h2::Error> {
    let (head, mut incoming) = begin(sender, in_flight, request, body).await?;
    let mut gathered = Gathered::default();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        in_flight.heard();
        incoming.flow_control().release_capacity(chunk.len())?;
        if !gathered.push(chunk) {
            return Ok(Reply {
                headers: head.headers,
                body: Bytes::new(),
                refusal: Some(Status::resource_exhausted(
                    "the answer is over 64 MiB; ask for pages",
                )),
            });
        }
    }
    let body = gathered.finish();
    let trailers = incoming.trailers().await?;
    let refusal = refusal(trailers.as_ref(), &head, &body);
    Ok(Reply { headers: head.headers, body, refusal })
}

/// The status that ended an answer, unless all is well. A good status is looked at only, because tonic would
/// copy all trailers to build one.
fn refusal(trailers: Option<&HeaderMap>, head: &response::Parts, body: &[u8]) -> Option<Status> {
    let bearer =
        trailers.filter(|trailers| trailers.contains_key(GRPC_STATUS)).unwrap_or(&head.headers);
    match bearer.get(GRPC_STATUS) {
        Some(status) if status == "0" => None,
        Some(_) => Status::from_header_map(bearer),
        None => Some(without_grpc(head.status, body)),
    }
}

/// The chunks of one body; the first is kept as it came, because most answers have no other.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    /// Adds a chunk; `false` when the body is over the limit.
    fn push(&mut self, chunk: Bytes) -> bool {
        if self.first.is_empty() && self.all.is_empty() {
            self.first = chunk;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&chunk);
        }
        self.first.len().max(self.all.len()) <= MAX_FRAME
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// The status of an answer that is not gRPC's, by the table of the gRPC specification.
fn without_grpc(status: StatusCode, body: &[u8]) -> Status {
    let code = match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    Status::new(code, format!("HTTP status {status} without a gRPC status: {text}"))
}
