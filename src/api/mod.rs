//! Everything that answers calls, on one port: Connect, gRPC and gRPC-Web alike.
//!
//! A call travels `listener` → `connect` (one protocol inside) → `gate` (who is it, what may it) →
//! `forward` (here, or one hop to the leader) → a handler: convert, propose or read, convert.
//!
//! | file | holds |
//! |---|---|
//! | `routes` | the table of methods: where each is carried out, by what, who may call it |
//! | `gate` | tokens, deadlines, request ids |
//! | `forward` | to the handlers, here or at the leader |
//! | `carry` | the way to the leader, with retries under one request id |
//! | `hint` | where clients reach the leader |
//! | `relay` | the leader's end of a relayed call |
//! | `frame` | requests and answers as HTTP |
//! | `services` | reflection and health |
//! | `call` | what a handler gets |
//! | `handler` | handlers as bytes in and bytes out |
//! | `errors` | outcomes and failures as status codes |
//! | `page` | paging of lists |
//! | `waiters` | polls that wait for commands |
//! | `deliveries` | notes in the log that commands reached their agents |
//! | `register_pace` | when nodes that nobody knows should register |
//! | `watchers` | those who watch the journal, and what is sent to all of them |
//! | `probes` | `/healthz`, `/readyz`, `/metrics` |
//! | `event_stream` | the journal for browsers |
//! | `metrics`, `exposition` | the series behind `/metrics`, and their text, made by one thread at a time |
//! | `call_series`, `health_series` | those of calls, and of health rules |
//! | `agent/`, `operator/`, `cluster/` | one file a method, one service each |

mod agent;
mod call;
mod call_series;
mod carry;
mod cluster;
pub mod connect;
mod deliveries;
mod errors;
mod event_stream;
mod exposition;
mod forward;
mod frame;
mod gate;
mod handler;
mod health_series;
mod hint;
pub mod listener;
mod metrics;
mod operator;
mod page;
mod probes;
mod register_pace;
mod relay;
mod routes;
mod services;
mod waiters;
mod watchers;

pub use self::{
    call::{Api, ApiParts, ControllerReports},
    event_stream::event_stream,
    forward::Forward,
    gate::{TokenGate, Tokens},
    probes::probes,
    relay::RelayedCalls,
    services::services,
};
