//! The public port as clients see it: every protocol over real sockets, against a toy control plane.

mod errors;
mod grpc;
mod listener;
mod peers;
mod slow;
mod stream;
mod toy;
mod unary;
