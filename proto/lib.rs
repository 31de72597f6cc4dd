//! The messages and services of Navarch, generated from the `.proto` files beside this one.
//!
//! | module | for |
//! |---|---|
//! | [`api`] | clients: agents, the command line, anyone (`navarch.*`) |
//! | [`fleet`] | the log and snapshots (`navarch.fleet.v1`) |
//! | [`peer`] | replicas among themselves (`navarch.peer.v1`) |
//! | [`frame`] | a message as gRPC carries it |
//! | [`timestamp`] | times of the wire from and to milliseconds |

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "generated code; the .proto files hold the documentation"
)]

pub mod frame;
pub mod timestamp;

/// Package `navarch`; the nesting follows the packages, which the generated code relies on.
#[allow(clippy::all, reason = "generated code")]
pub mod navarch {
    tonic::include_proto!("navarch");

    pub mod fleet {
        pub mod v1 {
            tonic::include_proto!("navarch.fleet.v1");
        }
    }

    pub mod peer {
        pub mod v1 {
            tonic::include_proto!("navarch.peer.v1");
        }
    }
}

pub use navarch as api;
pub use navarch::fleet::v1 as fleet;
pub use navarch::peer::v1 as peer;

/// All `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, for reflection and JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
