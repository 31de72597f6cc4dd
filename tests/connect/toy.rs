//! A control plane that keeps nodes in a map, behind the real bridge and the real listener.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use axum::{Router, routing::get};
use http::request::Parts;
use navarch::api::{
    connect::{Bridge, BridgeParts, Gate, Limits, MethodTable, OpenGate},
    listener::{Listener, ListenerConfig},
};
use navarch_host::{Clock, SystemNetwork, SystemSpawner};
use navarch_proto::api::{
    self, control_plane_service_server as control, operator_service_server as operator,
};
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, service::Routes};

/// The header that names the answering replica.
pub(crate) const LEADER: &str = "navarch-leader";

const SERVICES: [&str; 2] = ["navarch.ControlPlaneService", "navarch.OperatorService"];

/// What differs from one test's server to another's.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) listener: ListenerConfig,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) nodes: Nodes,
}

pub(crate) type Nodes = Arc<Mutex<BTreeMap<String, api::RegisterNodeRequest>>>;

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            listener: ListenerConfig::new("127.0.0.1:0"),
            gate: Arc::new(OpenGate),
            nodes: Nodes::default(),
        }
    }
}

/// A server that stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stopping: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// What reqwest asks the process for.
pub(crate) fn install_cryptography() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let provider = rustls::crypto::ring::default_provider();
        provider.install_default().unwrap();
    });
}

impl Server {
    pub(crate) async fn start(setup: Setup) -> Self {
        install_cryptography();
        let stopping = CancellationToken::new();
        let (clock, spawner) = (Clock::system(), SystemSpawner::current());
        let toy = Toy { nodes: setup.nodes };
        let limit = setup.limits.request_bytes;
        let routes = Routes::default()
            .add_service(
                control::ControlPlaneServiceServer::new(toy.clone())
                    .max_decoding_message_size(limit),
            )
            .add_service(
                operator::OperatorServiceServer::new(toy).max_decoding_message_size(limit),
            );
        let bridge = Bridge::new(BridgeParts {
            methods: MethodTable::new(&[navarch_proto::DESCRIPTORS], &SERVICES).unwrap(),
            routes,
            plain: Router::new().route("/healthz", get(|| async { "ok\n" })),
            gate: setup.gate,
            limits: setup.limits,
            clock: clock.clone(),
            spawner: Arc::clone(&spawner),
            stopping: stopping.clone(),
        });
        let listener = Listener::bind(&SystemNetwork, setup.listener).await.unwrap();
        let address = listener.address();
        let serving = tokio::spawn(listener.serve(bridge, clock, vec![spawner]));
        Self { address, stopping, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn method(&self, name: &str) -> String {
        self.url(&format!("/navarch.ControlPlaneService/{name}"))
    }
}

/// Clients of both versions of HTTP.
pub(crate) fn clients() -> [(&'static str, reqwest::Client); 2] {
    let builder = || reqwest::Client::builder().timeout(Duration::from_secs(20));
    [
        ("HTTP/1.1", builder().http1_only().build().unwrap()),
        ("HTTP/2", builder().http2_prior_knowledge().build().unwrap()),
    ]
}

/// Wants the token `secret`, and hands the caller's name on.
pub(crate) struct TokenGate;

#[derive(Clone)]
struct Caller(&'static str);

impl Gate for TokenGate {
    fn admit(&self, parts: &mut Parts) -> Result<(), Status> {
        match parts.headers.get("authorization") {
            Some(value) if value == "Bearer secret" => {
                parts.extensions.insert(Caller("operator"));
                Ok(())
            }
            _ => Err(Status::unauthenticated("a bearer token is needed")),
        }
    }
}

#[derive(Clone)]
struct Toy {
    nodes: Nodes,
}

/// The answer of every call, with the metadata that ours carry.
fn answer<T>(message: T) -> Result<Response<T>, Status> {
    let mut response = Response::new(message);
    let metadata = response.metadata_mut();
    metadata.insert(LEADER, "a".parse().unwrap());
    Ok(response)
}

/// `error-5` fails with code 5; other special ids are told in the code.
async fn special(request: &Request<api::GetNodeRequest>) -> Result<Option<String>, Status> {
    let id = request.get_ref().node_id.as_str();
    if let Some(code) = id.strip_prefix("error-") {
        let mut status = Status::new(Code::from_i32(code.parse().unwrap()), "100% \"wrong\" ü");
        status.metadata_mut().insert(LEADER, "b".parse().unwrap());
        return Err(status);
    }
    match id {
        "timeout" => {
            let timeout = request.metadata().get("grpc-timeout");
            Ok(Some(timeout.map_or("none", |value| value.to_str().unwrap()).to_owned()))
        }
        "request-id" => {
            let id = request.metadata().get("navarch-request-id").unwrap();
            Ok(Some(id.to_str().unwrap().to_owned()))
        }
        "caller" => Ok(Some(request.extensions().get::<Caller>().unwrap().0.to_owned())),
        "never" => std::future::pending().await,
        "long" => Ok(Some("x".repeat(3_000_000))),
        _ => Ok(None),
    }
}

#[tonic::async_trait]
impl control::ControlPlaneService for Toy {
    async fn register_node(
        &self,
        request: Request<api::RegisterNodeRequest>,
    ) -> Result<Response<api::RegisterNodeResponse>, Status> {
        let node = request.into_inner();
        if node.node_id.is_empty() {
            return Err(Status::invalid_argument("node_id is empty"));
        }
        self.nodes.lock().unwrap().insert(node.node_id.clone(), node);
        answer(api::RegisterNodeResponse {
            success: true,
            message: "registered".to_owned(),
            config: Some(api::NodeConfig {
                health_check_interval_seconds: 60,
                heartbeat_interval_seconds: 30,
                enabled_health_checks: vec!["boot".to_owned(), "nvml".to_owned()],
            }),
        })
    }

    async fn get_node(
        &self,
        request: Request<api::GetNodeRequest>,
    ) -> Result<Response<api::GetNodeResponse>, Status> {
        if let Some(reason) = special(&request).await? {
            let node = api::NodeInfo { reason, ..Default::default() };
            return answer(api::GetNodeResponse { node: Some(node) });
        }
        let id = request.into_inner().node_id;
        let nodes = self.nodes.lock().unwrap();
        let Some(node) = nodes.get(&id) else {
            return Err(Status::not_found(format!("node {id} is unknown")));
        };
        answer(api::GetNodeResponse {
            node: Some(api::NodeInfo {
                node_id: node.node_id.clone(),
                provider: node.provider.clone(),
                region: node.region.clone(),
                status: api::NodeStatus::Active.into(),
                gpus: node.gpus.clone(),
                ..Default::default()
            }),
        })
    }

    async fn heartbeat(
        &self,
        _: Request<api::HeartbeatRequest>,
    ) -> Result<Response<api::HeartbeatResponse>, Status> {
        answer(api::HeartbeatResponse { acknowledged: true, next_interval_ms: 0 })
    }

    async fn report_health(
        &self,
        _: Request<api::ReportHealthRequest>,
    ) -> Result<Response<api::ReportHealthResponse>, Status> {
        Err(Status::internal("a bug of the handler's own"))
    }

    async fn send_heartbeat(
        &self,
        _: Request<api::HeartbeatRequest>,
    ) -> Result<Response<api::HeartbeatResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn get_node_commands(
        &self,
        _: Request<api::GetNodeCommandsRequest>,
    ) -> Result<Response<api::GetNodeCommandsResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn poll_commands(
        &self,
        _: Request<api::PollCommandsRequest>,
    ) -> Result<Response<api::PollCommandsResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn ack_command(
        &self,
        _: Request<api::AckCommandRequest>,
    ) -> Result<Response<api::AckCommandResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn list_nodes(
        &self,
        _: Request<api::ListNodesRequest>,
    ) -> Result<Response<api::ListNodesResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn issue_command(
        &self,
        _: Request<api::IssueCommandRequest>,
    ) -> Result<Response<api::IssueCommandResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn list_instances(
        &self,
        _: Request<api::ListInstancesRequest>,
    ) -> Result<Response<api::ListInstancesResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }

    async fn get_instance(
        &self,
        _: Request<api::GetInstanceRequest>,
    ) -> Result<Response<api::GetInstanceResponse>, Status> {
        Err(Status::unimplemented("no toy"))
    }
}

macro_rules! no_toy {
    ($($name:ident: $request:ident -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl operator::OperatorService for Toy {
            type WatchEventsStream =
                Pin<Box<dyn Stream<Item = Result<api::FleetEvent, Status>> + Send>>;

            async fn watch_events(
                &self,
                request: Request<api::WatchEventsRequest>,
            ) -> Result<Response<Self::WatchEventsStream>, Status> {
                answer(watch(request.into_inner())?)
            }

            $(async fn $name(
                &self,
                _: Request<api::$request>,
            ) -> Result<Response<api::$response>, Status> {
                Err(Status::unimplemented("no toy"))
            })*
        }
    };
}

no_toy! {
    list_pools: ListPoolsRequest -> ListPoolsResponse;
    get_pool: GetPoolRequest -> GetPoolResponse;
    scale_pool: ScalePoolRequest -> ScalePoolResponse;
    pause_pool: PausePoolRequest -> PausePoolResponse;
    explain: ExplainRequest -> ExplainResponse;
    report_pool_metrics: ReportPoolMetricsRequest -> ReportPoolMetricsResponse;
    list_given_up_gpus: ListGivenUpGpusRequest -> ListGivenUpGpusResponse;
    forgive_gpu: ForgiveGpuRequest -> ForgiveGpuResponse;
    list_breakers: ListBreakersRequest -> ListBreakersResponse;
    override_breaker: OverrideBreakerRequest -> OverrideBreakerResponse;
    reset_breaker: ResetBreakerRequest -> ResetBreakerResponse;
    clear_rule_verdicts: ClearRuleVerdictsRequest -> ClearRuleVerdictsResponse;
    apply_fleet: ApplyFleetRequest -> ApplyFleetResponse;
    get_command: GetCommandRequest -> GetCommandResponse;
    list_commands: ListCommandsRequest -> ListCommandsResponse;
    end_adoption: EndAdoptionRequest -> EndAdoptionResponse;
    forget_node: ForgetNodeRequest -> ForgetNodeResponse;
    list_events: ListEventsRequest -> ListEventsResponse;
    get_fleet_status: GetFleetStatusRequest -> GetFleetStatusResponse;
}

/// Three events, and then by the subject: the end, an error, or nothing more. From event 0 on it is endless as
/// ours is.
fn watch(request: api::WatchEventsRequest) -> Result<Watched, Status> {
    if request.subject == "refuse" {
        return Err(Status::permission_denied("not for you"));
    }
    let since = request.since.unwrap_or_default();
    let events = (1..=3).map(move |offset| {
        Ok(api::FleetEvent {
            index: since + offset,
            kind: "registered".to_owned(),
            ..Default::default()
        })
    });
    let events = tokio_stream::iter(events);
    Ok(match request.subject.as_str() {
        "" if request.since == Some(0) => endless(events),
        "fail" => Box::pin(events.chain(tokio_stream::once(Err(Status::data_loss("torn"))))),
        "endless" => endless(events),
        _ => Box::pin(events),
    })
}

fn endless(
    events: impl Stream<Item = Result<api::FleetEvent, Status>> + Send + 'static,
) -> Watched {
    Box::pin(events.chain(tokio_stream::pending()))
}

type Watched = Pin<Box<dyn Stream<Item = Result<api::FleetEvent, Status>> + Send>>;
