//! Three replicas of etcd and a closed loop of puts, to compare with.
//!
//! | here | what |
//! |---|---|
//! | [`find_etcd`], [`etcd_program`] (`find`) | where the program is |
//! | [`EtcdGroup`] (`group`, `strikes`) | its replicas, each a process: killed, paused, stopped, started again |
//! | `anywhere` | a client of all replicas, which takes the first answer |
//! | [`Puts`] (`puts`) | as many clients as asked, each of which puts again once it is answered |
//! | `messages` | the few messages of its protocol that this takes |

mod anywhere;
mod find;
mod group;
mod messages;
mod puts;
mod strikes;

pub use find::{etcd_program, find_etcd};
pub use group::EtcdGroup;
pub use puts::{Puts, PutsFound};
