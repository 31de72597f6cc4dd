//! Registers that several clients set and read at once: the targets of pools that an operator has frozen, and a
//! field of the configuration. No machine is ever bought for them.
//!
//! | file | for |
//! |---|---|
//! | `fleet` | [`RegisterFleet`]: the configuration that has the pools |
//! | `client` | one client: it sets, and reads from a replica of its choice |
//! | `workload` | [`Registers`], [`RegistersOptions`], [`RegisterClients`]: all clients, started and stopped |
//!
//! The API has no compare-and-set, so that nobody waits for what another has seen. That leaves reads that must
//! see the newest write, and writes that must not come back once they were overwritten.

mod client;
mod fleet;
mod workload;

pub use fleet::RegisterFleet;
pub use workload::{RegisterClients, Registers, RegistersOptions};
