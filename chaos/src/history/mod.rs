//! What clients asked and what they were told, event by event: the ground on which checkers stand.
//!
//! | file | for |
//! |---|---|
//! | `operation` | [`Operation`], [`Value`]: what can be asked, and what an answer carries |
//! | `event` | [`Event`], [`EventKind`]: a call begins, or ends in one of three ways |
//! | `recorder` | [`Recorder`], [`OpenCall`]: events as they happen, from any number of clients |
//! | `past_call` | [`PastCall`], [`End`]: a call's two events together |
//! | `stopwatch` | [`Stopwatch`]: time since the start of a run |
//! | `file` | [`write`](fn@write), [`read`](fn@read): one JSON object a line |
//!
//! Events stand in the order in which they happened, and that order, not their time, is what checkers go by: a
//! call is recorded before it is sent, and its end after it came back. A call that ends with [`EventKind::Info`],
//! or that never ends, may have taken effect, or do so at any later time.

mod event;
mod file;
mod operation;
mod past_call;
mod recorder;
mod stopwatch;

pub use event::{Event, EventKind};
pub use file::{read, write};
pub use operation::{Operation, Value};
pub use past_call::{End, PastCall};
pub use recorder::{OpenCall, Recorder};
pub use stopwatch::Stopwatch;
