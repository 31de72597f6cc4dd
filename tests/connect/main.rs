//! The public port as clients see it: every protocol over real sockets, against a toy control plane.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an assumption that fails is a test that fails"
)]

mod errors;
mod floods;
mod grpc;
mod http1;
mod http2;
mod listener;
mod messages;
mod peers;
mod raw;
mod refusals;
mod slow;
mod stream;
mod table;
mod toy;
mod unary;
