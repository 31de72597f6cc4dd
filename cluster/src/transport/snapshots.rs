use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use navarch_host::Spawner;
use navarch_proto::peer;
use openraft::raft::SnapshotResponse;
use tonic::{Status, Streaming};

use super::messages::required_vote;
use crate::{
    codec::{CodecError, encode_vote},
    group::{Group, Snapshot},
    snapshot_store::{SnapshotFile, SnapshotStore},
    types::{TypeConfig, Vote},
};

/// `file` as a stream of chunks; the envelope and the leader's vote travel in a first one of their own.
pub(crate) fn outbound(
    envelope: peer::Envelope,
    vote: &Vote,
    file: &SnapshotFile,
    spawner: &dyn Spawner,
) -> std::io::Result<impl Stream<Item = peer::SnapshotChunk> + Send + 'static> {
    let opening = peer::SnapshotChunk {
        envelope: Some(envelope),
        vote: Some(encode_vote(vote)),
        ..peer::SnapshotChunk::default()
    };
    let chunks = file.chunks(spawner)?.scan((), |(), chunk| {
        // A file that cannot be read ends the stream; the receiver misses the rest and refuses it.
        let chunk =
            chunk.inspect_err(|error| tracing::error!(%error, "a snapshot cannot be read")).ok();
        futures::future::ready(
            chunk.map(|data| peer::SnapshotChunk { data, ..peer::SnapshotChunk::default() }),
        )
    });
    let opening = futures::stream::once(futures::future::ready(opening));
    Ok(opening.chain(chunks))
}

pub(crate) fn decode_reply(
    reply: &peer::SnapshotReply,
) -> Result<SnapshotResponse<TypeConfig>, CodecError> {
    required_vote(reply.vote.as_ref(), "snapshot reply").map(SnapshotResponse::new)
}

/// Where snapshots from a leader go.
pub(crate) struct Inbox {
    store: Arc<SnapshotStore>,
    spawner: Arc<dyn Spawner>,
}

impl Inbox {
    pub(crate) fn new(store: Arc<SnapshotStore>, spawner: Arc<dyn Spawner>) -> Self {
        Self { store, spawner }
    }

    /// Takes in a whole snapshot, checks it, and has Raft install it.
    pub(crate) async fn receive(
        &self,
        raft: &Group,
        opening: peer::SnapshotChunk,
        mut chunks: Streaming<peer::SnapshotChunk>,
    ) -> Result<peer::SnapshotReply, Status> {
        let vote = required_vote(opening.vote.as_ref(), "snapshot")
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let refused = |error: crate::error::StoreError| Status::internal(error.to_string());
        let mut receiver = self.store.receive(self.spawner.as_ref()).map_err(refused)?;
        while let Some(chunk) = chunks.next().await {
            receiver.write(chunk?.data).await.map_err(refused)?;
        }
        let file = receiver.finish().await.map_err(refused)?;
        let snapshot = Snapshot { meta: file.meta().clone(), snapshot: file };
        let response = raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        Ok(peer::SnapshotReply { vote: Some(encode_vote(&response.vote)) })
    }
}
