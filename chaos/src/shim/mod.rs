//! What stands between a replica and its disk and clock: a library that is preloaded, with levers to pull while the
//! replica runs, and a journal from which a power cut is made.
//!
//! | here | what |
//! |---|---|
//! | [`Shim`] (`library`) | the library, built from `chaos/shim/shim.c` with the machine's C compiler |
//! | [`Board`], [`Lever`], [`Counter`] (`board`) | the levers and counters of one replica |
//! | [`Journal`] (`journal`), [`Note`] (`note`) | what a replica did to its files since they were last synced |
//! | [`Cut`], [`Damage`] (`cut`) | the power fails: only synced bytes stay, and some of the others |
//! | `survivors` | which of the unsynced ones |

mod board;
mod cut;
mod journal;
mod library;
mod note;
#[cfg(test)]
mod shim_test;
mod survivors;

pub use board::{Board, Counter, Lever};
pub use cut::{Cut, Damage};
pub use journal::Journal;
pub use library::Shim;
pub use note::{Deed, Note};
pub use survivors::Survivors;
