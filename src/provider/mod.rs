//! Renting machines: what a cloud can be asked, and the clouds that can be asked it.
//!
//! | file | what is there |
//! |---|---|
//! | [`Provider`] (`contract.rs`) | the questions: order, get, list, terminate, instance types |
//! | [`Order`], [`OrderSpec`] (`order.rs`) | one purchase, and the exact bytes it is asked with |
//! | [`Machine`] (`machine.rs`), [`InstanceType`] (`instance_type.rs`) | the answers |
//! | [`ProviderError`], [`Conclusion`] (`error.rs`) | what may be concluded from a failure |
//! | [`labels`] | the tags that every machine carries |
//! | [`catalogue`] | abstract instance types and their names at each cloud |
//! | [`selection`] | in which order a pool's providers are tried |
//! | [`registry`] | from a configured provider to one that can be called |
//! | [`http`] | any cloud that speaks the HTTP provider protocol |
//! | [`fake`] | simulated machines in this process |
//! | [`OwnProviders`] (`own.rs`) | those of a program that embeds the control plane, called under guard (`guarded.rs`) |
//!
//! One `InstanceId` is one order, for ever: it is minted and logged before the provider is called, and it is
//! the idempotency key of the call. A provider never retries by itself; whoever called decides by
//! [`ProviderError::conclusion`], and asks again with the same key and the same bytes.

pub mod catalogue;
pub mod fake;
pub mod http;
pub mod labels;
pub mod registry;
pub mod selection;

mod contract;
mod error;
mod guarded;
mod instance_type;
mod machine;
mod order;
mod own;
pub(crate) mod timestamp;

pub use contract::{Provider, Termination};
pub use error::{Conclusion, ProviderError};
pub use instance_type::InstanceType;
pub use machine::{Machine, MachineState};
pub use order::{Order, OrderSpec};
pub use own::{BuildOwn, OwnProviders};
