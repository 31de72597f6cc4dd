//! Calls that only the leader can answer, carried one hop from a follower to the leader.
//!
//! | file | holds |
//! |---|---|
//! | this one | the contract with whoever answers the calls |
//! | `client` | the follower's side: one stream to the leader, calls gathered into batches |
//! | `server` | the leader's side: calls carried out at once each, answers gathered into batches |

mod client;
mod server;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use client::RelayClient;
pub(crate) use server::serve;

use crate::replica_id::ReplicaId;

/// Calls gathered into one message; each message is one write to the connection.
const CALLS_PER_BATCH: usize = 256;
/// Bytes of bodies after which a message is full.
const BYTES_PER_BATCH: usize = 4 << 20;
/// Largest body: what a message between replicas holds, with room to spare.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Messages on their way before the gatherer waits for the connection.
const BATCHES_ON_THE_WAY: usize = 16;

/// How many of `bodies`, by their sizes, go into the next message: at least one, if there is one.
fn fit(bodies: impl Iterator<Item = usize>) -> usize {
    let mut total = 0_usize;
    bodies
        .take(CALLS_PER_BATCH)
        .take_while(|bytes| {
            let first = total == 0;
            total += bytes;
            first || total <= BYTES_PER_BATCH
        })
        .count()
}

/// Answers calls that other replicas have relayed to this one, the leader.
#[async_trait]
pub trait RelayHandler: Send + Sync + 'static {
    /// Carries out the call `body` that replica `from` has passed on, and answers within `timeout`. A refusal
    /// is an answer too: the bytes are the caller's to read.
    async fn relayed(&self, from: ReplicaId, body: Bytes, timeout: Duration) -> Bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it many large bodies would make a message that no replica takes, and break the stream.
    #[test]
    fn a_message_is_bounded_in_calls_and_bytes() {
        assert_eq!(fit([].into_iter()), 0);
        assert_eq!(fit([BODY_BYTES_MAX, 1].into_iter()), 1);
        assert_eq!(fit([1 << 20; 100].into_iter()), 4);
        assert_eq!(fit([1; 1_000].into_iter()), CALLS_PER_BATCH);
    }
}
