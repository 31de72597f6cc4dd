use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::FutureExt as _;
use http::{
    HeaderValue, Method as HttpMethod, Request, StatusCode, Version, header::CONTENT_TYPE,
    request::Parts,
};
use http_body::Body as HttpBody;
use navarch_host::{Clock, Moment, Spawner};
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, Service as _, service_fn};

use super::{
    Gate, Limits, MethodTable,
    backend::Backend,
    body::{Budget, Framing, Guard, GuardedBody},
    error::{Failure, negotiation_failure},
    get::GetCall,
    media::{Codec, Media},
    methods::{Method, Shape},
    offload::Offload,
    reply::{Answer, no_such_path, not_found, wrong_media, wrong_method},
    stream,
    unary::Source,
};

/// How long after the caller's deadline the bridge answers in place of the handler.
pub(super) const GRACE: Duration = Duration::from_millis(100);

pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("the caller's time limit passed before the call was done")
}

/// What a [`Bridge`] is made of.
pub struct BridgeParts {
    /// The methods that Connect clients can call.
    pub methods: MethodTable,
    /// The gRPC services. Set their `max_decoding_message_size` to [`Limits::request_bytes`]: tonic's own
    /// limit is 4 MiB.
    pub routes: Routes,
    /// Whatever else the port serves: `/healthz`, `/readyz`, `/metrics`. The gate does not ask about it. Its
    /// fallback is replaced.
    pub plain: Router,
    /// Who may call.
    pub gate: Arc<dyn Gate>,
    /// How much may be called for.
    pub limits: Limits,
    /// For deadlines and silences.
    pub clock: Clock,
    /// For long conversions.
    pub spawner: Arc<dyn Spawner>,
    /// Once it is cancelled, every stream ends with `unavailable`, and the listener stops.
    pub stopping: CancellationToken,
}

/// One service for every client: Connect, gRPC and gRPC-Web, told apart by path and content type, in front of
/// the same handlers. Cheap to clone.
#[derive(Clone)]
pub struct Bridge(Arc<Core>);

pub(super) struct Core {
    methods: MethodTable,
    pub(super) backend: Backend,
    plain: Router,
    gate: Arc<dyn Gate>,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    budget: Budget,
    pub(super) offload: Offload,
    stopping: CancellationToken,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Bridge")
            .field("methods", &self.0.methods)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl Bridge {
    /// Puts the parts together.
    pub fn new(parts: BridgeParts) -> Self {
        let router = parts.routes.prepare().into_axum_router();
        Self(Arc::new(Core {
            methods: parts.methods,
            backend: Backend::new(router, parts.stopping.clone()),
            plain: parts.plain.fallback(no_such_path),
            gate: parts.gate,
            limits: parts.limits,
            clock: parts.clock,
            budget: Budget::new(parts.limits.buffered_bytes),
            offload: Offload::new(parts.spawner, parts.limits.conversions),
            stopping: parts.stopping,
        }))
    }

    /// The token that ends streams and the listener.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Serves one request of any kind.
    pub fn call<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let (parts, body) = request.into_parts();
        match Media::of(&parts.headers) {
            Media::Grpc => self.grpc(parts, body),
            Media::GrpcWeb(content_type) => self.grpc_web(parts, body, content_type),
            media @ (Media::Unary(_) | Media::Stream(_) | Media::Other) => {
                self.connect(parts, body, media)
            }
        }
    }

    /// The hot path: straight to the services.
    fn grpc<B>(&self, mut parts: Parts, body: B) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let core = &self.0;
        if parts.method != HttpMethod::POST {
            return wrong_method("POST");
        }
        if parts.version != Version::HTTP_2 {
            let text = "gRPC needs HTTP/2; over HTTP/1.1 call by Connect or gRPC-Web";
            return negotiation_failure(StatusCode::HTTP_VERSION_NOT_SUPPORTED, text).into();
        }
        if let Err(status) = core.gate.admit(&mut parts) {
            return status.into_http::<Body>().into();
        }
        match core.methods.get(parts.uri.path()).map(|method| method.shape) {
            Some(Shape::Unary) => {
                let body = core.guarded(body, Framing::Framed);
                core.backend.pass(Request::from_parts(parts, body)).into()
            }
            Some(Shape::ServerStreaming) => {
                let body = core.guarded(body, Framing::Framed);
                self.endless(Request::from_parts(parts, body))
            }
            // Such a request may be silent for as long as it likes.
            Some(Shape::ClientStreaming) | None => self.endless(Request::from_parts(parts, body)),
        }
    }

    fn endless<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let backend = self.0.backend.clone();
        async move { backend.pass_endless(request).await }.boxed().into()
    }

    fn grpc_web<B>(&self, mut parts: Parts, body: B, content_type: &'static str) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let core = &self.0;
        if parts.method != HttpMethod::POST {
            return wrong_method("POST");
        }
        let content_type = HeaderValue::from_static(content_type);
        if let Err(status) = core.gate.admit(&mut parts) {
            let mut response = status.into_http::<Body>();
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            return response.into();
        }
        parts.headers.insert(CONTENT_TYPE, content_type);
        let backend = core.backend.clone();
        let body = core.guarded(body, Framing::Text);
        async move {
            let inner = service_fn(move |request: Request<tonic::body::Body>| {
                let backend = backend.clone();
                async move { Ok::<_, Infallible>(backend.pass_endless(request).await) }
            });
            let mut service = GrpcWebLayer::new().layer(inner);
            let Ok(response) = service.call(Request::from_parts(parts, body)).await;
            response.map(Body::new)
        }
        .boxed()
        .into()
    }

    fn connect<B>(&self, mut parts: Parts, body: B, media: Media) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let core = &self.0;
        let path = parts.uri.path();
        let Some(method) = core.methods.get(path).cloned() else {
            if core.methods.covers(path) {
                return not_found(&parts.uri).into();
            }
            let request = Request::from_parts(parts, body);
            return core.plain.clone().call(request).into();
        };
        let get = method.safe && parts.method == HttpMethod::GET;
        if !get && parts.method != HttpMethod::POST {
            return wrong_method(if method.safe { "GET, POST" } else { "POST" });
        }
        let admitted = core.gate.admit(&mut parts);
        match (media, method.shape) {
            _ if get && body.is_end_stream() => match admitted {
                Ok(()) => self.connect_get(method, parts),
                Err(status) => Failure::from(status).into_response().into(),
            },
            (Media::Unary(codec), Shape::Unary) if !get => match admitted {
                Ok(()) => self.connect_unary(method, codec, parts, Source::Body(Body::new(body))),
                Err(status) => Failure::from(status).into_response().into(),
            },
            (Media::Stream(codec), Shape::ServerStreaming) => match admitted {
                Ok(()) => self.connect_stream(method, codec, parts, Body::new(body)),
                Err(status) => stream::failed_stream(&status.into(), codec).into(),
            },
            (_, shape) => wrong_media(shape),
        }
    }

    fn connect_get(&self, method: Arc<Method>, parts: Parts) -> Answer {
        let call = match GetCall::parse(parts.uri.query().unwrap_or_default()) {
            Ok(call) => call,
            Err(status) => return Failure::from(status).into_response().into(),
        };
        match call.codec {
            Some(codec) => self.connect_unary(method, codec, parts, Source::Query(call)),
            None => wrong_media(Shape::Unary),
        }
    }

    fn connect_unary(
        &self,
        method: Arc<Method>,
        codec: Codec,
        parts: Parts,
        source: Source,
    ) -> Answer {
        let core = Arc::clone(&self.0);
        async move { core.unary(&method, codec, parts, source).await }.boxed().into()
    }

    fn connect_stream(
        &self,
        method: Arc<Method>,
        codec: Codec,
        parts: Parts,
        body: Body,
    ) -> Answer {
        let core = Arc::clone(&self.0);
        async move { core.stream(&method, codec, parts, body).await }.boxed().into()
    }
}

impl Core {
    pub(super) fn guarded<B>(&self, body: B, framing: Framing) -> GuardedBody<B> {
        let guard = Guard {
            clock: self.clock.clone(),
            budget: self.budget.clone(),
            limit: self.limits.request_bytes,
            idle: self.limits.body_idle,
        };
        GuardedBody::new(body, framing, guard)
    }

    /// The time until `deadline`, or the failure that it has passed.
    pub(super) fn time_left(&self, deadline: Option<Moment>) -> Result<Option<Duration>, Status> {
        let Some(deadline) = deadline else {
            return Ok(None);
        };
        match deadline.since(self.clock.now()) {
            Duration::ZERO => Err(too_late()),
            left => Ok(Some(left)),
        }
    }
}
