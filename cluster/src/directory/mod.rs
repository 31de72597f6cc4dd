//! The data directory of a replica.
//!
//! | entry | what it is |
//! |---|---|
//! | `lock` | held while a process has the directory open |
//! | `identity` | whose it is ([`Identity`]) |
//! | `log/` | sled |
//! | `mark` | what the log has acknowledged |
//! | `snapshots/` | files of our own |

mod files;
mod identity;
mod lock;

#[cfg(test)]
mod directory_test;
#[cfg(test)]
mod identity_fuzz_test;

pub(crate) use files::{create_directory, replace_file, sync_directory};
pub(crate) use identity::{Expected, IdentityFile};
pub(crate) use lock::DirectoryLock;
