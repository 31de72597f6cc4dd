//! The network between the parties of a run: a proxy before every port, and rules for each direction of each pair.
//!
//! | here | what |
//! |---|---|
//! | [`Links`] (`hub`) | all proxies and the rules in force |
//! | [`Party`] (`party`) | who speaks to whom |
//! | `census` | whose connection it is, as the kernel tells |
//! | [`Rule`], [`Touch`] (`rule`) | what happens to what is said in one direction |
//! | `connection`, `pump` | one connection, and one direction of it |
//!
//! A replica is known to all others under one address, which is a proxy's. That proxy asks the kernel which process
//! has the other end of a connection, so it knows the pair, and each direction of it obeys rules of its own. That
//! needs no rights beyond the harness's own, no namespaces, and nothing from the program under test.

mod census;
mod connection;
mod hub;
mod party;
mod pump;
mod rule;

pub use hub::Links;
pub use party::Party;
pub use rule::{Effect, Rule, RuleId, Touch, between, both_ways};
