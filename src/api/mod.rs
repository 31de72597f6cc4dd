//! Everything that answers calls, on one port: Connect, gRPC and gRPC-Web alike.
//!
//! A call travels `listener` → `connect` (one protocol inside) → `gate` (who is it, what may it) →
//! `forward` (here, or one hop to the leader) → a handler: convert, propose or read, convert.
//!
//! | file | holds |
//! |---|---|
//! | `routes` | the table of methods: where each is carried out, who may call it |
//! | `gate` | tokens, deadlines, request ids |
//! | `forward` | the way to the leader, with retries under one request id |
//! | `hint` | where clients reach the leader |
//! | `relay` | the leader's end of a relayed call |
//! | `frame` | gRPC messages and answers as HTTP |
//! | `call` | what a handler gets |
//! | `errors` | outcomes and failures as status codes |
//! | `page` | paging of lists |
//! | `waiters` | polls that wait for commands |
//! | `probes` | `/healthz`, `/readyz`, `/metrics` |
//! | `metrics` | the series behind `/metrics` |
//! | `agent/`, `operator/`, `cluster/` | one file a method, one service each |

mod agent;
mod call;
mod cluster;
pub mod connect;
mod errors;
mod forward;
mod frame;
mod gate;
mod hint;
pub mod listener;
mod metrics;
mod operator;
mod page;
mod probes;
mod relay;
mod routes;
mod services;
mod waiters;

pub use self::{
    call::{Api, ApiParts, ControllerReports},
    forward::Forward,
    gate::{TokenGate, Tokens},
    probes::probes,
    relay::RelayedCalls,
    services::services,
};
