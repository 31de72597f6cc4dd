//! What a run has in hand when it is judged.
//!
//! | file | for |
//! |---|---|
//! | `facts` | [`Evidence`]: all of it, as plain data; each layer fills in what it has |
//! | `parts` | [`Watch`], [`Window`], [`Beating`], [`CutOff`], [`Receipt`]: the parts that have no type elsewhere |
//! | [`group`] | gathered from a group of processes over its API |
//! | [`cloud`] | gathered from the fake cloud: its ledger, its machines, the receipts of its agents |
//! | `samples` | bits of evidence for tests |

pub mod cloud;
mod facts;
pub mod group;
mod parts;
#[cfg(test)]
pub(crate) mod samples;

pub use facts::Evidence;
pub use parts::{Beating, CutOff, Receipt, Watch, Window};
