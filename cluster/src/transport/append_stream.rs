use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use futures::{Stream, StreamExt as _, future};
use navarch_proto::peer::{self, peer_service_client::PeerServiceClient};
use openraft::{OptionalSend, raft::StreamAppendResult};
use tokio::sync::oneshot;
use tonic::{Streaming, transport::Channel};

use super::{
    messages::{AppendRequest, decode_append_result, encode_append},
    network::{AppendResults, Peer, RpcError, codec_error, rpc_error},
};
use crate::types::TypeConfig;

/// Opens a stream of appends to `peer`. The envelope travels in a first message of its own, since there may be
/// nothing to append for a long time after `first`. How many are under way is bounded by the connection's window and by
/// what the peer takes in at once.
pub(crate) async fn open<'s, S>(
    mut client: PeerServiceClient<Channel>,
    envelope: peer::Envelope,
    peer: Peer,
    (first, input): (AppendRequest, S),
) -> Result<AppendResults<'s>, RpcError>
where
    S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
{
    // openraft starts the next stream only when this one has let go of its input, which the connection holds
    // until the request ends: so the end of the results must end the request.
    let (alive, ended) = oneshot::channel::<()>();
    let opening = peer::AppendCall { envelope: Some(envelope), ..peer::AppendCall::default() };
    let calls = futures::stream::once(future::ready(opening))
        .chain(
            futures::stream::once(future::ready(first))
                .chain(input)
                .map(|request| encode_append(&request, None)),
        )
        .take_until(ended);
    let replies =
        client.stream_append(calls).await.map_err(|status| rpc_error(&peer, &status))?.into_inner();
    Ok(Box::pin(Results { replies, peer, failed: false, _alive: alive }))
}

/// The answers, in the order of the appends; nothing follows an error.
struct Results {
    replies: Streaming<peer::AppendReply>,
    peer: Peer,
    failed: bool,
    _alive: oneshot::Sender<()>,
}

impl Stream for Results {
    type Item = Result<StreamAppendResult<TypeConfig>, RpcError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let reply = futures::ready!(self.replies.poll_next_unpin(task));
        let item = reply.map(|reply| match reply {
            Ok(reply) => decode_append_result(&reply).map_err(|error| codec_error(&error)),
            Err(status) => Err(rpc_error(&self.peer, &status)),
        });
        self.failed = matches!(item, None | Some(Err(_)));
        Poll::Ready(item)
    }
}
