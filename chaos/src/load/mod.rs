//! Clients that write and read while things go wrong, and the check of what they were told.
//!
//! | here | what |
//! |---|---|
//! | [`Workload`] (`workload`) | all clients of a run, started and stopped |
//! | `writer` | registers nodes, counts registers up, orders diagnostics and repeats each order under its request id |
//! | `reader` | reads from one replica what was acknowledged before |
//! | [`registers`] | registers that several clients set and read at once |
//! | [`History`] (`history`) | what was tried and what was acknowledged |
//! | [`Scribe`] (`scribe`) | takes a client's calls down |
//! | [`check`](fn@check) (`check`, `scan`) | the records of every replica against the history, at the end |
//! | [`conclude`](fn@conclude) (`conclude`) | the same, once a follower of the journal was told all of it |
//! | [`Follower`] (`follower`) | a watch of the journal that is resumed whenever it breaks |
//! | [`Stream`] (`stream`) | clients that write as fast as they are answered, for measuring gaps |
//! | [`Curve`] (`curve`) | what clients saw, slice by slice |
//! | [`Updates`] (`updates`) | clients that change what exists, for measuring latencies with a fleet of one size |
//! | [`journal`](fn@journal) (`journal`) | all fleet events since one of them |
//! | [`Snapshots`] (`snapshots`) | when replicas write snapshots |

mod check;
mod conclude;
mod curve;
mod follower;
mod history;
mod journal;
mod reader;
pub mod registers;
mod scan;
mod scribe;
mod snapshots;
mod stream;
mod updates;
mod workload;
mod writer;

pub use check::{Checked, check};
pub use conclude::conclude;
pub use curve::{Curve, Dip};
pub use follower::Follower;
pub use history::{Counts, History};
pub use journal::journal;
pub use scribe::Scribe;
pub use snapshots::{Snapshots, Span};
pub use stream::{Acknowledged, Stream, Write, Written};
pub use updates::{Update, Updates};
pub use workload::{Workload, WorkloadOptions};
