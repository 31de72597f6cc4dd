use futures::{Stream, StreamExt as _, stream};
use navarch_proto::api::{SaveSnapshotRequest, SaveSnapshotResponse};
use tonic::Status;

use crate::api::{call::Call, errors};

/// Streams everything that this replica has applied, as a file: no less than what was acknowledged before the call,
/// unless a stale answer was asked for.
pub(in crate::api) async fn save_snapshot(
    call: Call,
    _: SaveSnapshotRequest,
) -> Result<impl Stream<Item = Result<SaveSnapshotResponse, Status>> + Send + use<>, Status> {
    call.view().await?;
    let exported = call.api.replica().export_snapshot(call.context.deadline).await;
    let chunks = exported.map_err(|error| errors::from_export(&error))?;
    let messages = chunks.map(|chunk| match chunk {
        Ok(chunk) => Ok(SaveSnapshotResponse { data: chunk.to_vec() }),
        Err(error) => Err(Status::internal(format!("the snapshot cannot be read back: {error}"))),
    });
    // A stream that just ended would look whole until its last byte is missed.
    let closing = call.api.closing.clone().cancelled_owned();
    let stopping =
        stream::once(closing).map(|()| Err(Status::unavailable("this replica is stopping")));
    let all =
        stream::select(messages.map(Some).chain(stream::once(async { None })), stopping.map(Some));
    Ok(all.take_while(|item| std::future::ready(item.is_some())).filter_map(std::future::ready))
}
