//! A cloud in memory: the machines of `navarch fake-cloud`, with the same faults and the same ledger, reached without HTTP.
//!
//! | file | for |
//! |---|---|
//! | `market` | [`Market`]: machines, ledger, agents that boot and end; no fault touches it |
//! | `access` | [`Access`]: a replica's way to it, where faults are met |

mod access;
mod market;

pub(super) use access::Access;
pub(super) use market::{Market, now_ms};
