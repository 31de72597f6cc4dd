use std::io;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Take},
};

use super::{reply, router::Service};
use crate::fake_cloud::ledger::{LedgerEntry, Line};

/// Bytes sent at once.
const CHUNK: usize = 64 * 1024;

/// `GET /v1/ledger`: everything up to the last line that was told of when the request came. Read from the
/// file, not from memory: a long run's ledger is larger than its cloud.
pub(super) async fn ledger(State(service): State<Service>) -> Response {
    let writer = service.estate.writer();
    let length = writer.committed();
    let file = match File::open(writer.path()).await {
        Ok(file) => BufReader::with_capacity(CHUNK, file.take(length)),
        Err(error) => return reply::internal(&format!("the ledger cannot be read: {error}")),
    };
    let chunks = stream::try_unfold(file, |mut file| async move {
        let chunk = next_chunk(&mut file).await?;
        let more = (!chunk.is_empty()).then(|| (Bytes::from(chunk), file));
        Ok::<_, io::Error>(more)
    });
    let body = Body::from_stream(chunks);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// The next lines as the ledger shows them, without what only a replay needs; empty at the end.
async fn next_chunk(file: &mut BufReader<Take<File>>) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut text = Vec::new();
    while chunk.len() < CHUNK {
        text.clear();
        if file.read_until(b'\n', &mut text).await? == 0 {
            break;
        }
        let line: Line = serde_json::from_slice(&text)?;
        let entry: LedgerEntry = line.entry;
        serde_json::to_writer(&mut chunk, &entry)?;
        chunk.push(b'\n');
    }
    Ok(chunk)
}
