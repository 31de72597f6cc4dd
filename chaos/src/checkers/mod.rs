//! What can be said of histories and replicas by themselves, without knowing what a fleet is.
//!
//! | file | finds |
//! |---|---|
//! | `findings` | [`Findings`]: what a check came to, in words and figures |
//! | [`registers`] | reads and writes that fit no order of single steps: stale reads, lost writes, writes that come and go |
//! | `register_model` | a register as the search sees it |
//! | `stretches` | a long history of one register cut where its value is known, so that searches stay short |
//! | [`sets`] | elements that were acknowledged and are gone, that nobody added, that are there twice |
//! | [`journal`] | gaps, duplicates, and replicas that tell different stories |
//! | [`sessions`] | a client that is shown an older state than it was shown before |
//! | [`states`] | replicas that applied the same and are not the same |

mod findings;
pub mod journal;
mod register_model;
pub mod registers;
pub mod sessions;
pub mod sets;
pub mod states;
mod stretches;

pub use findings::Findings;
