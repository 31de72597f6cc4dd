//! The configuration file: the YAML contract of the single-process original, and our additions.
//!
//! | file | holds |
//! |---|---|
//! | `load` | from a path or a text to a [`Config`] |
//! | `replica` | `cluster.*` and the addresses: what stays local to a replica |
//! | `settings` | the rest of `server.*`, and `instance_manager.*` |
//! | `breaker`, `notifier`, `providers`, `pools`, `autoscaling`, `metrics`, `defaults` | the blocks of these names |
//! | `document`, `section`, `values` | YAML with places, and the reader that reports all mistakes of a file at once |
//! | `problem`, `error` | what is wrong, and where; [`ConfigError`] |
//! | `duration`, `address`, `nearest` | Go-style durations, network addresses, the key that was meant |
//! | `diff` | what an `apply` would change, one line each |
//! | `yaml` | a file that is changed and written again |
//! | `dev` | the file that `navarch dev` runs with when it is given none |
//!
//! ## The `cluster` block
//!
//! All of it is local to a replica. Relative paths are taken from the file's folder.
//!
//! | key | meaning and default |
//! |---|---|
//! | `cluster.replica` | this replica's name, `r1` |
//! | `cluster.data_dir` | folder of its log and snapshots, `navarch-data` in the working folder |
//! | `cluster.peer_address` | where it listens for the other replicas, `127.0.0.1:50052` |
//! | `cluster.advertise_peer_address` | where the others reach it; default: its entry in `initial_replicas`, else `peer_address` |
//! | `cluster.advertise_address` | where clients reach it; default: `server.external_address` |
//! | `cluster.initial_replicas[]` | `name` and peer `address` of each replica of a new group, the same on all of them |
//! | `cluster.timings.{heartbeat,election_min,election_max}` | `80ms`, `200ms`, `400ms`: a killed leader is replaced after `election_max`, its lease, and a random part of the two |
//! | `cluster.snapshot_every` | entries of the log between two snapshots, `200000`, and up to 1.8 times as many, so that replicas take turns: fewer make a restart quicker and cost more work |
//! | `cluster.tls.{ca,cert,key}` | PEM files for the peer port; needed unless all of it is on loopback |
//!
//! Local as well: `server.tls.{cert,key}`, PEM files of the certificate that the public port shows; with
//! them it speaks TLS alone.
//!
//! ## The `server.notifier` block
//!
//! Who is told of nodes that are cordoned, uncordoned and drained: with `type: noop`, the default, nobody, and
//! a drain is over at once; with `type: custom` the notifier of the program that embeds the control plane, see
//! `server::Plugins`; with `type: webhook` the workload system behind these keys of `webhook`:
//!
//! | key | meaning and default |
//! |---|---|
//! | `cordon_url`, `uncordon_url` | told of it, tried for a minute; empty: not told |
//! | `drain_url` | asked to take the work off a node. A 4xx other than 408 and 429 refuses the drain, any other failure is tried again until the drain's deadline; empty: a drain counts as accepted |
//! | `drain_status_url` | asked whether the node is drained; empty: it is as soon as the drain is accepted |
//! | `health_url` (ours) | told of each change of a node's health, in order for each node, at least once: `event_index` tells a repeat |
//! | `timeout` | of one call, `30s` |
//! | `headers` | sent with each call; `${VARIABLE}` is taken from the acting leader's environment at the time of the call |
//!
//! Notices are POSTs of `{"event", "node_id", "reason", "timestamp"}`, for `health_url` with `event_index`, `from`,
//! `to` and `rule` besides; the status is a GET with `?node_id=` that answers `{"drained", "message"}`.
//! Redirects are not followed. `health_url` may be set once all replicas run a build that knows it: an older
//! one stops at the entry that records how far it was told.
//!
//! ## The `server.breaker` block
//!
//! Ours, and fleet state: while too many nodes of a pool, of a zone or of the whole fleet are silent, lost or newly
//! unhealthy at once, the cause is likely not theirs, and nothing is declared lost or replaced there.
//!
//! | key | meaning and default |
//! |---|---|
//! | `window` | `10m`, or `heartbeat_timeout` if that is longer, which is the least: for so long a loss or an unhealthy verdict counts, and after so long a calm an open breaker closes |
//! | `open_above_percent` | 55: more than this part, and more than two nodes, opens the breaker |
//! | `close_below_percent` | 30: less than this part is calm |
//! | `losses_a_minute_percent` | 10: of a pool, but at least one node, at most so many are declared lost a minute in any case |
//!
//! ## The rest
//!
//! Ours as well, and fleet state: `server.max_registered_nodes` (200,000),
//! `server.max_heartbeats_per_second` (20,000): the interval that each answer to a heartbeat tells the node to use is
//! `heartbeat_interval`, or longer where the whole fleet's rate would be above this bound, and a node's time-out is
//! three times the interval that it was told if that is more than `heartbeat_timeout`;
//! `server.max_registrations_per_second` (1,000): the pace at which nodes that the group does not know are told to
//! register; `instance_manager.launch_timeout` (`5m`): how long an order may have no
//! answer before `explain` says so, and before one of a provider that knows no idempotency keys may be given up,
//! `instance_manager.orphan_sweep_interval` (`2m`) and `orphan_min_age` (`5m`): how often providers are searched
//! for machines that bear the cluster's tag and that no record explains, and how old these must be before they
//! are given back, or only reported with `instance_manager.orphans: report` (`terminate`); provider
//! type `http` with `url`, `token_env` and `ca_file` (also taken by type `fake`), type `custom`, a provider of the
//! program that embeds the control plane, with whatever keys of the other types that one reads,
//! `max_calls_per_second` (50, and as many at once after a rest) and `max_concurrent_calls` (32, each of ordering
//! and giving back) of any provider,
//! `health.{replace_at_once_percent,replace_per_hour_percent}` (20 and 10 of the target, at least one machine) of a
//! pool or of `defaults`, a pool's `scale_up_cooldown` and `scale_down_cooldown` (how long after a change by load, either
//! way, the next step up and the next step down wait; each is `cooldown` unless it is given), and `time_zone`
//! (an IANA name, `UTC`) of a schedule.
//!
//! ## A pool's `metrics` block
//!
//! Ours, and fleet state: where the autoscaler's figures come from. Without it they come from what is pushed,
//! then from the heartbeats.
//!
//! | key | meaning and default |
//! |---|---|
//! | `metrics.order` | which sources are asked, the first that has a figure first: `[pushed, prometheus, heartbeats]`; names that begin with `x-` are sources of the program that embeds the control plane |
//! | `metrics.prometheus.url` | address of a Prometheus server; `/api/v1/query` follows it |
//! | `metrics.prometheus.queries.{utilization,pending_jobs,queue_depth}` | one expression a figure, each answered by one series or a scalar; utilisation in percent from 0 to 100, queue depth = jobs that wait or run; an absent one is not asked |
//! | `metrics.prometheus.timeout` | `5s`, at most `1m`: how long one query may take |
//! | `metrics.prometheus.token_env` | the variable of each replica's environment that holds the bearer token; none is sent |
//!
//! The heartbeats tell utilisation alone. Their history, which type `predictive` follows, has one sample an
//! `autoscale_interval` of the last 5 minutes: a `lookback_window` of more samples than fit is never filled.

mod address;
mod autoscaling;
mod breaker;
mod defaults;
mod dev;
mod diff;
mod document;
mod duration;
mod error;
mod load;
mod metrics;
mod nearest;
mod notifier;
mod pools;
mod problem;
mod providers;
mod replica;
mod section;
mod settings;
mod values;
mod yaml;

#[cfg(test)]
mod diff_fields_test;
#[cfg(test)]
mod diff_test;
#[cfg(test)]
mod every_key_test;
#[cfg(test)]
mod load_fuzz_test;
#[cfg(test)]
mod load_test;
#[cfg(test)]
mod mistakes_test;
#[cfg(test)]
mod pool_mistakes_test;

pub use dev::dev_file;
pub use diff::{diff, diff_telling};
pub use duration::{DurationError, format_millis, parse_duration};
pub use error::ConfigError;
pub use load::{Config, load, parse, parse_fleet};
pub use problem::{Problem, Problems};
pub use replica::{CertificateFiles, InitialReplica, ReplicaConfig, Timings, TlsFiles};

pub(crate) use document::{Node as DocumentNode, Value as DocumentValue, parse as parse_document};
pub(crate) use load::{read_block, read_policy};
pub(crate) use nearest::nearest;
pub(crate) use problem::Report;
pub(crate) use section::Section;
pub(crate) use values::Zero;
pub(crate) use yaml::{FAKE, Yaml};
