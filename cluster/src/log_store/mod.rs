//! The log on disk and in memory, and openraft's view of it.
//!
//! | file | holds |
//! |---|---|
//! | `storage` | the trait that an engine fulfils: [`LogStorage`] |
//! | `sled_log`, `sled_open`, `sled_reader`, `sled_engine` | the engine on sled, its checks when it opens |
//! | `record`, `scan`, `mark` | what sled's records hold, and how lost ones are noticed |
//! | `packer`, `unpacker` | records compressed, since sled keeps every one of them in memory |
//! | `memory_log` | the engine in memory, for simulation |
//! | `host`, `sync_meter` | what a store is given; what its syncs cost |
//! | `executor`, `writer` | one batch, one sync, then the answers; the thread that does it |
//! | `cache`, `shared` | the newest entries in memory |
//! | `store`, `reader` | openraft's `RaftLogStorage` and `RaftLogReader` |
//!
//! Everything that changes the log passes through one queue to one thread, which drains it, writes one batch,
//! syncs once, and only then answers: nothing is acknowledged before it is durable, and many writers share one
//! sync.

mod cache;
mod executor;
mod host;
mod mark;
mod memory_log;
mod packer;
mod reader;
mod record;
mod scan;
mod shared;
mod sled_engine;
mod sled_log;
mod sled_open;
mod sled_reader;
mod storage;
mod store;
mod sync_meter;
mod unpacker;
mod writer;

#[cfg(test)]
mod test_support;

#[cfg(test)]
mod cut_test;
#[cfg(test)]
mod memory_log_test;
#[cfg(test)]
mod record_fuzz_test;
#[cfg(test)]
mod record_test;
#[cfg(test)]
mod sled_log_test;
#[cfg(test)]
mod store_test;
#[cfg(test)]
mod suite_test;

pub(crate) use host::StoreHost;
pub use memory_log::MemoryDisk;
pub(crate) use sled_engine::SledOptions;
pub(crate) use sled_log::SledLog;
pub(crate) use storage::{ENTRY_BYTES_MAX, LogStorage, StoredState};
pub(crate) use store::LogStore;
pub use sync_meter::LogSyncs;
pub(crate) use sync_meter::SyncMeter;
pub(crate) use writer::{start_task, start_writer};

/// Entries kept behind a snapshot, so that a replica that was away for a moment needs no snapshot: openraft's
/// `max_in_snapshot_log_to_keep`.
pub(crate) const ENTRIES_KEPT_BEHIND_SNAPSHOT: u64 = 10_000;
