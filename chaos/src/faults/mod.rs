//! What can go wrong, one file each, and all of it by name.
//!
//! | here | what |
//! |---|---|
//! | [`Fault`], [`Begun`], [`Seen`] (`fault`) | something that goes wrong and is put right again |
//! | [`Stage`] (`stage`) | what it strikes |
//! | [`catalogue`] | every fault by name |
//! | `kill`, `pause`, `restart`, `membership`, `crash_point` | processes |
//! | `partition` | the network |
//! | `disk`, `power`, `flipped_bit` | disks |
//! | `clock` | time |
//! | `cloud`, `changed_order` | the fake cloud |
//! | `snapshots` | what cannot be tried, and why |
//!
//! A fault counts as injected once its effect was seen: a process ended, another led, bytes met a rule, the shim
//! counted calls. Else nobody knows whether it took place.

pub mod catalogue;
mod changed_order;
mod clock;
mod cloud;
mod crash_point;
mod disk;
mod fault;
mod flipped_bit;
mod kill;
mod membership;
mod partition;
mod pause;
mod power;
mod restart;
mod snapshots;
mod stage;

use std::time::Duration;

pub use fault::{Begun, Fault, Seen};
pub use kill::Whom;
pub use power::{PowerLoss, Powerless};
pub use stage::Stage;

/// How long an election may take that should have happened already.
const ELECTION_LIMIT: Duration = Duration::from_secs(5);

/// Whether one that is not of `struck` leads, in a later term than `term`.
async fn elected_since(stage: &Stage, struck: &[usize], term: u64) -> bool {
    let others: Vec<_> = stage.indices().filter(|index| !struck.contains(index)).collect();
    let looked = crate::until(&stage.host, "another leader", ELECTION_LIMIT, || async {
        for &index in &others {
            let standing = stage.group.standing(index).await;
            if standing.is_ok_and(|standing| standing.leads() && standing.term > term) {
                return Ok(());
            }
        }
        Err("there is none".to_owned())
    });
    looked.await.is_ok()
}
