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
/// Messages on their way before the gatherer waits for the connection.
const BATCHES_ON_THE_WAY: usize = 16;

/// Answers calls that other replicas have relayed to this one, the leader.
#[async_trait]
pub trait RelayHandler: Send + Sync + 'static {
    /// Carries out the call `body` that replica `from` has passed on, and answers within `timeout`. A refusal
    /// is an answer too: the bytes are the caller's to read.
    async fn relayed(&self, from: ReplicaId, body: Bytes, timeout: Duration) -> Bytes;
}
