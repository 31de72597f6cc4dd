//! One port for every client: a bridge between the Connect protocol and the gRPC services behind it.
//!
//! A gRPC call goes straight to its service. A Connect call becomes a gRPC call within the process and its
//! answer a Connect answer again, so that one handler serves all; gRPC-Web likewise, by tonic-web. What is no
//! call at all goes to a plain router.
//!
//! | file | for |
//! |---|---|
//! | `bridge` | [`Bridge`]: tells requests apart by path, method and content type |
//! | `gate` | [`Gate`]: who may call, asked before the body is read |
//! | `limits` | [`Limits`]: how much one call, and all together, may take |
//! | `methods` | [`MethodTable`]: the methods and their messages, from the descriptors |
//! | `unary`, `stream` | the two shapes of a Connect call |
//! | `head`, `get`, `media` | what headers, query and content type say |
//! | `body` | bodies held to limits of length, silence and memory |
//! | `json`, `gzip`, `frame` | forms of a message |
//! | `offload` | threads for long conversions |
//! | `backend`, `answer` | the gRPC call behind, and its answer |
//! | `reply` | [`Answer`], and refusals by HTTP's own means |
//! | `error` | statuses as HTTP status and JSON |

mod answer;
mod backend;
mod body;
mod bridge;
mod error;
mod frame;
mod gate;
mod get;
mod gzip;
mod head;
mod json;
mod limits;
mod media;
mod methods;
mod offload;
mod reply;
mod stream;
mod unary;

#[cfg(test)]
mod fuzz_test;

pub(super) use error::{code_name, refusal};
pub(super) use json::from_protobuf as json;

pub use bridge::{Bridge, BridgeParts};
pub use gate::{Gate, OpenGate};
pub use limits::Limits;
pub use methods::{MethodTable, MethodTableError};
pub use reply::Answer;
