use navarch_proto::api::{operator_service_server::OperatorService, *};
use tokio_stream::Iter;
use tonic::{Request, Response, Status};

/// A journal of three events that then ends, and nothing else.
pub struct Service;

macro_rules! absent {
    ($($name:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl OperatorService for Service {
            type WatchEventsStream = Iter<std::vec::IntoIter<Result<FleetEvent, Status>>>;

            async fn watch_events(
                &self,
                request: Request<WatchEventsRequest>,
            ) -> Result<Response<Self::WatchEventsStream>, Status> {
                let since = request.get_ref().since.unwrap_or(0);
                let mut events: Vec<_> = (1..=3)
                    .map(|step| Ok(FleetEvent { index: since + step, ..FleetEvent::default() }))
                    .collect();
                events.push(Err(Status::unavailable("stopping")));
                Ok(Response::new(tokio_stream::iter(events)))
            }

            $(async fn $name(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented("not in the toy"))
            })+
        }
    };
}

absent! {
    list_pools(ListPoolsRequest) -> ListPoolsResponse;
    get_pool(GetPoolRequest) -> GetPoolResponse;
    scale_pool(ScalePoolRequest) -> ScalePoolResponse;
    pause_pool(PausePoolRequest) -> PausePoolResponse;
    explain(ExplainRequest) -> ExplainResponse;
    report_pool_metrics(ReportPoolMetricsRequest) -> ReportPoolMetricsResponse;
    list_given_up_gpus(ListGivenUpGpusRequest) -> ListGivenUpGpusResponse;
    forgive_gpu(ForgiveGpuRequest) -> ForgiveGpuResponse;
    list_breakers(ListBreakersRequest) -> ListBreakersResponse;
    override_breaker(OverrideBreakerRequest) -> OverrideBreakerResponse;
    reset_breaker(ResetBreakerRequest) -> ResetBreakerResponse;
    clear_rule_verdicts(ClearRuleVerdictsRequest) -> ClearRuleVerdictsResponse;
    apply_fleet(ApplyFleetRequest) -> ApplyFleetResponse;
    get_command(GetCommandRequest) -> GetCommandResponse;
    list_commands(ListCommandsRequest) -> ListCommandsResponse;
    end_adoption(EndAdoptionRequest) -> EndAdoptionResponse;
    forget_node(ForgetNodeRequest) -> ForgetNodeResponse;
    list_events(ListEventsRequest) -> ListEventsResponse;
    get_fleet_status(GetFleetStatusRequest) -> GetFleetStatusResponse;
}
