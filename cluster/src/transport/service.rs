use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use navarch_proto::peer::{self, peer_service_server::PeerService, read_index_reply};
use openraft::raft::{StreamAppendError, TransferLeaderRequest};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::{
    answer_hello,
    messages::{
        decode_append, decode_vote_request, encode_append_result, encode_vote_response, last_of,
        required_vote,
    },
    snapshots,
};
use crate::{
    codec::{CodecError, decode_log_id},
    context::{Context, GroupIdentity, Running},
    read_index::ReadIndexer,
    relay::{self, RelayHandler},
    replica_error::ReadError,
    types::TypeConfig,
};

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An invitation to a group, and where the answer goes: empty, or why it was declined.
pub(crate) struct JoinDecision {
    pub(crate) identity: GroupIdentity,
    pub(crate) answer: tokio::sync::oneshot::Sender<Result<(), String>>,
}

/// What other replicas call. Each call is let in by its envelope before anything of it is used.
pub(crate) struct PeerPortService {
    context: Arc<Context>,
    reads: Arc<ReadIndexer>,
    handler: Arc<dyn RelayHandler>,
    invitations: mpsc::Sender<JoinDecision>,
    snapshots: snapshots::Inbox,
}

impl PeerPortService {
    pub(crate) fn new(
        context: Arc<Context>,
        reads: Arc<ReadIndexer>,
        handler: Arc<dyn RelayHandler>,
        invitations: mpsc::Sender<JoinDecision>,
        snapshots: snapshots::Inbox,
    ) -> Self {
        Self { context, reads, handler, invitations, snapshots }
    }

    /// Who calls, and the Raft that answers.
    fn admit(&self, envelope: Option<&peer::Envelope>) -> Result<(u64, &Running), Status> {
        let from = self.context.admit(envelope)?;
        let running = self.context.running();
        let running = running.ok_or_else(|| Status::unavailable("this replica is starting"))?;
        Ok((from, running))
    }

    /// Raft answers votes and appends as fast as its disk; one that does not is stuck.
    fn raft_timeout(&self) -> Duration {
        self.context.config.timings.peer_call
    }

    async fn within<T, E: std::fmt::Display>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Status> {
        match self.context.clock.timeout(self.raft_timeout(), call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Status::unavailable(error.to_string())),
            Err(_) => Err(Status::deadline_exceeded("Raft did not answer in time")),
        }
    }
}

#[tonic::async_trait]
impl PeerService for PeerPortService {
    async fn hello(
        &self,
        request: Request<peer::HelloRequest>,
    ) -> Result<Response<peer::HelloResponse>, Status> {
        answer_hello(&self.context, request.get_ref()).map(Response::new)
    }

    async fn join(
        &self,
        request: Request<peer::JoinRequest>,
    ) -> Result<Response<peer::JoinResponse>, Status> {
        let request = request.into_inner();
        if request.store_id != self.context.store_id {
            return Err(Status::failed_precondition(format!(
                "this is store {}, store {} was invited",
                self.context.store_id, request.store_id
            )));
        }
        let (answer, answered) = tokio::sync::oneshot::channel();
        let identity =
            GroupIdentity { cluster_id: request.cluster_id, replica_id: request.replica_id };
        let invitation = JoinDecision { identity, answer };
        self.invitations
            .send(invitation)
            .await
            .map_err(|_| Status::unavailable("this replica is stopping"))?;
        match answered.await {
            Ok(Ok(())) => Ok(Response::new(peer::JoinResponse {})),
            Ok(Err(reason)) => Err(Status::failed_precondition(reason)),
            Err(_) => Err(Status::unavailable("this replica is stopping")),
        }
    }

    async fn vote(
        &self,
        request: Request<peer::VoteCall>,
    ) -> Result<Response<peer::VoteReply>, Status> {
        let call = request.into_inner();
        let (_, running) = self.admit(call.envelope.as_ref())?;
        let request = decode_vote_request(&call).map_err(malformed)?;
        let response = self.within(running.raft.vote(request)).await?;
        Ok(Response::new(encode_vote_response(&response)))
    }

    async fn pre_vote(
        &self,
        request: Request<peer::VoteCall>,
    ) -> Result<Response<peer::VoteReply>, Status> {
        let call = request.into_inner();
        let (_, running) = self.admit(call.envelope.as_ref())?;
        let request = decode_vote_request(&call).map_err(malformed)?;
        let response = self.within(running.raft.pre_vote(request)).await?;
        Ok(Response::new(encode_vote_response(&response)))
    }

    async fn append(
        &self,
        request: Request<peer::AppendCall>,
    ) -> Result<Response<peer::AppendReply>, Status> {
        let call = request.into_inner();
        let (_, running) = self.admit(call.envelope.as_ref())?;
        let request = decode_append(call).map_err(malformed)?;
        let (previous, last) = (request.prev_log_id, last_of(&request));
        let response = self.within(running.raft.append_entries(request)).await?;
        if !matches!(response, openraft::raft::AppendEntriesResponse::HigherVote(_)) {
            self.context.heard_leader();
        }
        let result = match response {
            // A conflict needs an entry to be in conflict with; there is none before the first.
            openraft::raft::AppendEntriesResponse::Conflict if previous.is_none() => {
                return Err(Status::internal("an append from the start cannot conflict"));
            }
            response => response.into_stream_result(previous, last),
        };
        Ok(Response::new(encode_append_result(result)))
    }

    type StreamAppendStream = Replies<peer::AppendReply>;

    async fn stream_append(
        &self,
        request: Request<Streaming<peer::AppendCall>>,
    ) -> Result<Response<Self::StreamAppendStream>, Status> {
        let mut calls = request.into_inner();
        let opening = first(&mut calls).await?;
        let (from, running) = self.admit(opening.envelope.as_ref())?;
        let stop = self.context.stop.clone();
        // The end of this stream ends the leader's; the leader opens another one and learns why.
        let requests = calls
            .map(|call| Some(decode_append(call.ok()?)))
            .scan((), move |(), request| {
                let request = request.and_then(|request| {
                    request
                        .inspect_err(|error| tracing::error!(from, %error, "malformed append"))
                        .ok()
                });
                futures::future::ready(request)
            })
            .take_until(stop.cancelled_owned());
        let results = running.raft.stream_append(requests);
        let context = Arc::clone(&self.context);
        let replies = results.map(move |result| match result {
            Ok(result) => {
                if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
                    context.heard_leader();
                }
                Ok(encode_append_result(result))
            }
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        let replies = replies.take_until(self.context.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(replies)))
    }

    async fn transfer_leader(
        &self,
        request: Request<peer::TransferLeaderCall>,
    ) -> Result<Response<peer::TransferLeaderReply>, Status> {
        let call = request.into_inner();
        let (_, running) = self.admit(call.envelope.as_ref())?;
        let from = required_vote(call.from_leader.as_ref(), "transfer").map_err(malformed)?;
        let last_log_id = call.last_log_id.as_ref().map(decode_log_id);
        let request =
            TransferLeaderRequest::<TypeConfig>::new(from, call.to_replica_id, last_log_id);
        let answer = self.within(running.raft.handle_transfer_leader(request)).await?;
        let refusal = answer.err().map(|refusal| refusal.to_string());
        Ok(Response::new(peer::TransferLeaderReply { refusal: refusal.unwrap_or_default() }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<peer::SnapshotChunk>>,
    ) -> Result<Response<peer::SnapshotReply>, Status> {
        let mut chunks = request.into_inner();
        let opening = first(&mut chunks).await?;
        let (from, running) = self.admit(opening.envelope.as_ref())?;
        tracing::info!(from, "a snapshot comes in");
        let stop = self.context.stop.clone();
        let reply = tokio::select! {
            () = stop.cancelled() => Err(Status::unavailable("this replica is stopping")),
            reply = self.snapshots.receive(&running.raft, opening, chunks) => reply,
        };
        reply.map(Response::new)
    }

    async fn read_index(
        &self,
        request: Request<peer::ReadIndexCall>,
    ) -> Result<Response<peer::ReadIndexReply>, Status> {
        self.admit(request.get_ref().envelope.as_ref())?;
        let leadership = *self.context.leadership.borrow();
        let result = match leadership.local {
            false => read_index_reply::Result::NotLeader(leadership.leader.map_or(0, |id| id.0)),
            true => {
                let deadline = self.context.clock.now() + self.raft_timeout();
                let confirmed = self.reads.confirm(deadline).await;
                let confirmed = confirmed.map_err(|error: ReadError| error.to_string()).flatten();
                read_index_reply::Result::Index(confirmed.map_err(Status::unavailable)?)
            }
        };
        Ok(Response::new(peer::ReadIndexReply { result: Some(result) }))
    }

    type RelayStream = Replies<peer::RelayReplyBatch>;

    async fn relay(
        &self,
        request: Request<Streaming<peer::RelayBatch>>,
    ) -> Result<Response<Self::RelayStream>, Status> {
        let (context, handler) = (Arc::clone(&self.context), Arc::clone(&self.handler));
        let stop = context.stop.clone();
        let replies = relay::serve(context, handler, request.into_inner()).await?;
        let replies = replies.take_until(stop.cancelled_owned());
        Ok(Response::new(Box::pin(replies)))
    }
}

async fn first<T>(messages: &mut Streaming<T>) -> Result<T, Status> {
    let message = messages.next().await;
    message.unwrap_or_else(|| Err(Status::invalid_argument("a stream without a first message")))
}

fn malformed(error: CodecError) -> Status {
    Status::invalid_argument(error.to_string())
}
