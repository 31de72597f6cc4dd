//! How replicas talk: gRPC on the peer port.
//!
//! | file | holds |
//! |---|---|
//! | `channels` | connections to other replicas, one per purpose |
//! | `messages` | Raft's requests and answers as messages |
//! | `network` | openraft's network: calls to one replica |
//! | `append_stream` | replication with many appends under way |
//! | `voters_logs` | what votes told of the voters' logs |
//! | `snapshots` | snapshots out and in, chunk by chunk |
//! | `service` | the peer port: what other replicas call |
//! | `listener` | the socket of the peer port |
//! | `hello` | who is there |

mod append_stream;
mod channels;
mod hello;
mod listener;
mod messages;
mod network;
mod service;
mod snapshots;
mod voters_logs;

#[cfg(test)]
mod messages_fuzz_test;

pub(crate) use channels::{Channels, Lane};
pub(crate) use hello::{answer_hello, say_hello};
pub(crate) use listener::PeerPort;
pub(crate) use network::NetworkFactory;
pub(crate) use service::{JoinDecision, PeerPortService};
pub(crate) use snapshots::Inbox;
pub(crate) use voters_logs::VotersLogs;

/// Largest message between replicas: many entries, or one of the largest allowed with room to spare.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
