//! A cloud that speaks the HTTP provider protocol (provider `type: http`).
//!
//! | file | what is there |
//! |---|---|
//! | [`HttpProvider`] (`provider.rs`) | the protocol's five questions |
//! | [`HttpOptions`] (`options.rs`) | url, token, certificate authority, time-out |
//! | `transport.rs` | one exchange: bounded in time and size, no redirects, no proxies |
//! | `conclude.rs` | from an answer that is not the wished one to a `ProviderError` |

mod conclude;
mod options;
mod provider;
mod transport;

pub use options::{DEFAULT_TIMEOUT, HttpOptions, HttpOptionsError};
pub use provider::HttpProvider;
