//! Simulated machines.
//!
//! | file | what is there |
//! |---|---|
//! | [`SimulatedCloud`] (`cloud.rs`) | which machines exist: a pure table of orders, shared with the fake cloud |
//! | [`Ordered`], [`Terminated`], [`Filter`], [`Page`] (`answers.rs`) | what it is asked and answers |
//! | `droughts.rs` | what it does not sell at present |
//! | `rented.rs` | one machine for all of its life |
//! | [`CloudOptions`] (`options.rs`) | delays, capacities, what a type is |
//! | [`Refusal`] (`refusal.rs`) | why an order is not carried out |
//! | [`MachineHost`] (`host.rs`) | switches machines on: boots an agent in each when its boot delay is over |
//! | [`AgentBooter`], [`AgentHandle`] (`booter.rs`) | what the host needs of an agent |
//! | [`FakeProvider`] (`provider.rs`) | the cloud and the host as a `Provider` in this process |

mod answers;
mod booter;
mod cloud;
#[cfg(test)]
mod cloud_test;
mod droughts;
mod host;
mod options;
mod provider;
mod refusal;
mod rented;

pub use answers::{Filter, Ordered, Page, Terminated};
pub use booter::{AgentBooter, AgentHandle, NoAgents};
pub use cloud::SimulatedCloud;
pub use host::MachineHost;
pub use options::CloudOptions;
pub use provider::FakeProvider;
pub use refusal::Refusal;
