//! Navarch: a control plane for GPU fleets without a single point of failure.
//!
//! Three or more replicas share a Raft log that holds the node, instance and pool state machine. Every
//! replica takes every call; what changes state goes one hop to the leader, reads are answered where they
//! arrive. Only the leader runs the control loops.
//!
//! ```text
//!  agent ─► api (Connect | gRPC | gRPC-Web, one port)
//!           └► forward        follower: one hop to the leader
//!               └► handler    convert, judge (CEL) ─► proposal
//!                   └► ledger     stamps LogTime and actor, waits for the outcome
//!                       └► cluster    replicate, make durable, commit
//!                           └► fleet      apply: pure, total ─► outcome + fleet events
//!
//!  controller (leader only) ─► propose the intent ─► call the provider ─► propose the result
//! ```
//!
//! | module | for |
//! |---|---|
//! | [`server`] | one replica, put together |
//! | [`cli`] | the command line, one file a command |
//! | [`api`] | everything that answers calls |
//! | [`leader`], [`controllers`] | sessions, and the control loops that live and die with them |
//! | [`ledger`] | the typed door to agreement: propose, view |
//! | [`liveness`] | who was heard from when |
//! | [`health`] | policies that judge health reports |
//! | [`scaling`] | how many machines a pool should have |
//! | [`metrics_source`] | where the figures of a pool come from that decide it |
//! | [`provider`], [`fake_cloud`] | clouds, and one to try things on |
//! | [`sim`] | simulated fleets, to try policies on |
//! | [`notify`] | telling the workload system and observers about nodes |
//! | `outbound` | how others are called over HTTP |
//! | [`config`] | the configuration file |
//! | [`client`], [`agent`] | calling the replicas; the process on each GPU machine |

pub mod agent;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod controllers;
pub mod fake_cloud;
pub mod health;
pub mod leader;
pub mod ledger;
pub mod liveness;
pub mod metrics_source;
pub mod notify;
mod outbound;
pub mod provider;
pub mod scaling;
pub mod server;
pub mod sim;
pub mod telemetry;
