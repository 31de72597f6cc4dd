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
//! | [`fleet`], [`host`], [`proto`] | crates of this house: the state machine, clocks and tasks, the wire |
//!
//! ## In another program
//!
//! `navarch server` is one way to run a replica; a program that embeds one brings its own parts along as
//! [`server::Plugins`]. `examples/embedded` does all of it: `cargo run --example embedded`.
//!
//! | its own | is a | and stands for |
//! |---|---|---|
//! | autoscaler | [`scaling::Autoscaler`] | the configured strategy of a pool; limits, cooldown, hold and pause stay |
//! | figures | [`metrics_source::MetricsSource`] | a name in a pool's `metrics.order` |
//! | cloud | [`provider::Provider`] | a configured provider of `type: custom` |
//! | workload system | [`notify::Notifier`] | `server.notifier.type: custom` |
//! | observers | [`notify::NodeHealthObserver`], [`notify::InstanceObserver`] | callbacks |
//! | time | [`host::Clock`] | the fleet's time; Raft and sockets keep the system's |
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn embed(
//! #     jobs: Arc<dyn navarch::metrics_source::MetricsSource>,
//! #     racks: Arc<dyn navarch::provider::Provider>,
//! #     slurm: Arc<dyn navarch::notify::Notifier>,
//! #     pager: Arc<dyn navarch::notify::NodeHealthObserver>,
//! #     ledger: Arc<dyn navarch::notify::InstanceObserver>,
//! #     clock: navarch::host::Clock,
//! #     stop: tokio_util::sync::CancellationToken,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use navarch::{
//!     scaling::{Autoscaler, Decision, Needs, PoolView},
//!     server::{Options, Plugins, Server},
//! };
//!
//! struct Backlog;
//!
//! impl Autoscaler for Backlog {
//!     fn name(&self) -> &str {
//!         "x-backlog"
//!     }
//!
//!     fn needs(&self) -> Needs {
//!         Needs { queue_depth: true, ..Needs::default() }
//!     }
//!
//!     fn decide(&self, view: &PoolView) -> Decision {
//!         match view.queue_depth {
//!             None => Decision::no_data(view, "nobody knows the queue"),
//!             Some(jobs) => Decision::demand(view, jobs.div_ceil(10), &format!("{jobs} jobs")),
//!         }
//!     }
//! }
//!
//! let mut options = Options::new(navarch::config::load("r1.yaml")?);
//! options.plugins = Plugins::default()
//!     .autoscaler("training", Arc::new(Backlog))   // in place of the pool's configured strategy
//!     .metrics_source(jobs)                        // `x-...` in a pool's metrics.order
//!     .provider("racks", racks)                    // providers: {racks: {type: custom}}
//!     .notifier(slurm)                             // server.notifier.type: custom
//!     .health_observer(pager)                      // told of nodes that turn unhealthy
//!     .instance_observer(ledger)                   // told of stale and failed instances
//!     .clock(clock);                               // the fleet's time; a fake one for tests
//! let server = Server::start(options).await?;
//! println!("listening on {}", server.address());
//! server.serve(stop).await?;
//! # Ok(())
//! # }
//! ```
//!
//! All replicas of a group should be the same program, for any may lead. Secrets come from the environment
//! (`NAVARCH_AUTH_TOKEN`, `NAVARCH_AGENT_TOKEN`), tracing goes to whatever subscriber the program has, and a replica
//! that cannot trust its disk any more ends the process, as it must.

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

pub use navarch_fleet as fleet;
pub use navarch_host as host;
pub use navarch_proto as proto;
