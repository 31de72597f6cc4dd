//! What the kernel was asked to make durable, and when, by `strace`.
//!
//! | here | what |
//! |---|---|
//! | [`Tracer`] (`tracer`) | `strace`, attached to a process |
//! | [`syncs`], [`Sync`] (`syncs`) | the syncs in what it wrote |

mod syncs;
mod tracer;

pub use syncs::{Sync, syncs};
pub use tracer::{Tracer, find_strace};
