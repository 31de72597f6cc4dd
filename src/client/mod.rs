//! Calling a group of replicas as if it were one server.
//!
//! | here | what |
//! |---|---|
//! | [`Client`] (`balancing`) | the door: `call` for every unary method, `watch_events` for the journal, `save_snapshot` for a file |
//! | [`rpc`] | the methods as types |
//! | [`ClientOptions`], [`CallOptions`] | what is configured, once and for each call |
//! | [`Answer`], [`CallError`], [`Failure`] | what comes of a call |
//! | `call` | one call: try, rotate, pause, give up |
//! | `picker`, `replica`, `backoff` | whom to ask next, who failed lately, how long to pause |
//! | `connection`, `exchange`, `incoming` | one HTTP/2 connection, one request on it |
//! | `address`, `tls`, `metadata` | the parts of a request |
//!
//! A call ends with an answer, a refusal, or at its deadline. A try that failed for lack of a connection, for
//! a broken one, for silence, or with `unavailable` goes on at once with the next replica; only when all were
//! asked does the client pause. Repeats of a write carry the same request id.

mod address;
mod answer;
mod backoff;
mod balancing;
mod call;
mod connection;
mod error;
mod exchange;
mod incoming;
mod metadata;
mod options;
mod picker;
mod replica;
pub mod rpc;
mod tls;

pub use answer::Answer;
pub use balancing::Client;
pub use error::{CallError, ClientError, Failure};
pub use options::{Balance, CallOptions, ClientOptions};
pub use rpc::Rpc;
