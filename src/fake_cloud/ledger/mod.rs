//! The ledger: one JSON line a request and effect, in order, appended and never rewritten.
//!
//! | file | what is there |
//! |---|---|
//! | [`LedgerEntry`], [`Effect`] (`entry.rs`) | what `GET /v1/ledger` shows |
//! | [`Change`], [`Line`] (`line.rs`) | what the file holds besides: enough to build every machine again |
//! | [`LedgerFile`] (`file.rs`) | opening, locking, replaying, cutting off a torn end |
//! | [`LedgerWriter`] (`writer.rs`) | the thread that appends and syncs, many lines at once |

mod entry;
mod file;
mod line;
mod writer;

pub use entry::{Effect, LedgerEntry};
pub use file::{LedgerFile, Replay};
pub use line::{Change, Line};
pub use writer::{LedgerClosed, LedgerWriter, Slot, Written};
