//! The public port: one listener for HTTP/1.1 and HTTP/2, in the clear or over TLS.
//!
//! | file | for |
//! |---|---|
//! | `server` | [`Listener`]: binds, accepts, stops |
//! | `config` | [`ListenerConfig`]: address, certificate, and what connections are held to |
//! | `worker` | a runtime that serves connections |
//! | `connection` | one connection, from its first byte to its last |
//! | `answers` | answers that a client does not take |
//! | `io` | a byte stream that is neither reread nor stuck for ever |
//! | `tls` | [`load_tls`]: certificate and key files |
//! | `timer`, `executor` | time and tasks for hyper |
//! | `error` | [`ListenError`], [`TlsError`] |

mod answers;
mod config;
mod connection;
mod error;
mod executor;
mod io;
mod server;
mod timer;
mod tls;
mod worker;

pub use config::ListenerConfig;
pub use error::{ListenError, TlsError};
pub use server::{Listener, ListenerCounts};
pub use tls::load_tls;
