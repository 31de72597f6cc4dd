use std::{future::Future, sync::Arc};

use futures::{Stream, StreamExt as _, future};
use navarch_proto::peer::{self, peer_service_client::PeerServiceClient};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, stream_append_sequential},
    raft::{
        SnapshotResponse, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse,
        VoteRequest, VoteResponse,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{
    append_stream,
    channels::Lane,
    messages::{
        AppendRequest, AppendResponse, append_response, decode_append_result, decode_vote_response,
        encode_append, encode_vote_request, last_of,
    },
    snapshots,
};
use crate::{
    codec::{CodecError, encode_log_id, encode_vote},
    context::Context,
    group::Snapshot,
    snapshot_store::SnapshotFile,
    types::{LogId, ReplicaInfo, TypeConfig, Vote},
};

pub(crate) type RpcError = RPCError<TypeConfig>;
pub(crate) type AppendResults<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>;

/// Makes openraft's clients. They are cheap: the connections behind them are kept.
pub(crate) struct NetworkFactory {
    context: Arc<Context>,
}

impl NetworkFactory {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn network(&self, id: u64, info: &ReplicaInfo, lane: Lane) -> PeerNetwork {
        PeerNetwork {
            context: Arc::clone(&self.context),
            peer: Peer { id, info: info.clone() },
            lane,
            last_answered: None,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = PeerNetwork;

    async fn new_client(&mut self, target: u64, node: &ReplicaInfo) -> PeerNetwork {
        self.network(target, node, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &ReplicaInfo) -> PeerNetwork {
        self.network(target, node, Lane::Urgent)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &ReplicaInfo) -> PeerNetwork {
        self.network(target, node, Lane::Snapshot)
    }
}

/// Another replica, as the membership names it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) info: ReplicaInfo,
}

/// openraft's client of one replica.
pub(crate) struct PeerNetwork {
    context: Arc<Context>,
    peer: Peer,
    lane: Lane,
    /// The entry that the last append came after which was answered here.
    last_answered: Option<LogId>,
}

impl PeerNetwork {
    fn client(&self, lane: Lane) -> Result<PeerServiceClient<Channel>, RpcError> {
        let client = self.context.channels.client(&self.peer.info.address, lane);
        client.map_err(|status| self.rpc_error(&status))
    }

    fn envelope(&self) -> peer::Envelope {
        self.context.envelope(self.peer.id, &self.peer.info.store_id)
    }

    fn rpc_error(&self, status: &Status) -> RpcError {
        rpc_error(&self.peer, status)
    }

    /// The answer to an append by which openraft only looks for what the peer has, where that is known: it has the entry
    /// before. Of the entries themselves nothing is said, so that openraft takes it for no sign of life; and the entry before
    /// is an earlier leader's, by which nothing is committed. What is asked a second time has to be sent.
    fn answer_here(&mut self, request: &AppendRequest) -> Option<LogId> {
        let known = self.context.voters_logs.known(self.peer.id, request);
        let news = known.filter(|known| self.last_answered != Some(*known));
        self.last_answered = news.or(self.last_answered);
        news
    }

    /// Runs a call for as long as openraft allows one to take.
    async fn call<T>(
        &self,
        option: &RPCOption,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, RpcError> {
        match self.context.clock.timeout(option.hard_ttl(), call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.rpc_error(&status)),
            Err(_) => Err(self.rpc_error(&Status::deadline_exceeded("no answer in time"))),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for PeerNetwork {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendRequest,
        option: RPCOption,
    ) -> Result<AppendResponse, RpcError> {
        let mut client = self.client(self.lane)?;
        let sent = last_of(&request);
        let call = encode_append(&request, Some(self.envelope()));
        let reply = self.call(&option, client.append(call)).await?;
        let result = decode_append_result(&reply).map_err(|error| codec_error(&error))?;
        Ok(append_response(result, sent))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendResults<'s>, RpcError>>
    where
        S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
    {
        // A heartbeat is a stream of one item that must end: plain calls do that at less cost.
        if self.lane == Lane::Urgent {
            return stream_append_sequential(self, input, option);
        }
        Box::pin(async move {
            // openraft pauses after errors where it hands out a request, so one is taken before anything is opened:
            // a peer that refuses connections would otherwise be tried again without any pause.
            let Some(first) = input.next().await else {
                return Ok(futures::stream::empty().boxed());
            };
            if let Some(known) = self.answer_here(&first) {
                return Ok(futures::stream::once(future::ready(Ok(Ok(Some(known))))).boxed());
            }
            let client = self.client(self.lane)?;
            let calls = (first, input);
            let peer = (self.peer.clone(), self.context.clock.clone());
            let opened = append_stream::open(client, self.envelope(), peer, calls);
            match self.context.clock.timeout(self.context.config.timings.peer_call, opened).await {
                Ok(results) => results,
                Err(_) => {
                    Err(self
                        .rpc_error(&Status::unavailable("the append stream did not open in time")))
                }
            }
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Lane::Urgent)?;
        let call = encode_vote_request(&request, self.envelope());
        let reply = self.call(&option, client.vote(call)).await?;
        let response = decode_vote_response(&reply).map_err(|error| codec_error(&error))?;
        if response.vote_granted {
            self.context.voters_logs.granted(self.peer.id, &request, response.last_log_id);
        }
        Ok(response)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Lane::Urgent)?;
        let call = encode_vote_request(&request, self.envelope());
        let reply = self.call(&option, client.pre_vote(call)).await?;
        decode_vote_response(&reply).map_err(|error| codec_error(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let mut client = self.client(Lane::Snapshot)?;
        let spawner = self.context.raft_tasks.as_ref();
        let chunks = snapshots::outbound(self.envelope(), &vote, &snapshot.snapshot, spawner)
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        let sent = self.call(&option, client.install_snapshot(chunks));
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            reply = sent => snapshots::decode_reply(&reply?).map_err(|error| codec_error(&error).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let mut client = self.client(Lane::Urgent)?;
        let call = peer::TransferLeaderCall {
            envelope: Some(self.envelope()),
            from_leader: Some(encode_vote(request.from_leader())),
            to_replica_id: *request.to_node_id(),
            last_log_id: request.last_log_id().map(encode_log_id),
        };
        let reply = self.call(&option, client.transfer_leader(call)).await?;
        match reply.refusal.as_str() {
            "" => Ok(Ok(())),
            refusal => Err(NetworkError::from_string(refusal).into()),
        }
    }
}

/// What is unreachable is tried again after a pause, anything else at once.
pub(crate) fn rpc_error(peer: &Peer, status: &Status) -> RpcError {
    let message =
        format!("replica {} at {}: {}", peer.id, peer.info.address, crate::tls::describe(status));
    match status.code() {
        // A refusal stands for as long as the identities do.
        Code::Unavailable | Code::FailedPrecondition | Code::Unknown => {
            Unreachable::from_string(message).into()
        }
        _ => NetworkError::from_string(message).into(),
    }
}

pub(crate) fn codec_error(error: &CodecError) -> RpcError {
    NetworkError::new(error).into()
}
