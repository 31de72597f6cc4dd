//! The kernel's log, where the NVIDIA driver writes each XID whether or not somebody waits for its events.
//!
//! | file | what is there |
//! |---|---|
//! | [`KernelLog`] (`follow`) | the thread that follows the log and hands XIDs to the outbox |
//! | `reader` | the device `/dev/kmsg`, or a file of such lines, from a remembered position |
//! | `line` | one record of it |
//! | `xid` | what the driver writes of an XID |

mod follow;
mod line;
mod reader;
mod xid;

pub(super) use follow::{KernelLog, LogOptions, LogWatch};
