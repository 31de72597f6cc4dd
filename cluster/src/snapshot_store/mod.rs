//! Snapshots: files of our own, verified before a byte of them is used.
//!
//! | file | holds |
//! |---|---|
//! | `header` | the head of a file: what it covers, who can read it, the hash of its body |
//! | `file` | [`SnapshotFile`]: a verified file, to install from or to send |
//! | `build` | from an image to a file |
//! | `receive` | from the leader to a file |
//! | `store` | [`SnapshotStore`]: the directory, the newest snapshot, the removal of old ones |
//!
//! A file is written under a temporary name, synced, renamed, and its directory synced: under its final name
//! it is whole. Bit rot is what the hash is for.

mod build;
mod file;
mod header;
mod receive;
mod store;

#[cfg(test)]
mod header_fuzz_test;
#[cfg(test)]
mod snapshot_test;

pub(crate) use file::{SnapshotFile, begins_as_snapshot};
pub(crate) use store::SnapshotStore;
