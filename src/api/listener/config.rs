use std::{sync::Arc, time::Duration};

use tokio_rustls::rustls::ServerConfig;

/// Where to listen, and what connections are held to.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// `host:port`, or `:port` for every address of this machine.
    pub address: String,
    /// The certificate to show; none: no TLS. See [`super::load_tls`].
    pub tls: Option<Arc<ServerConfig>>,
    /// Connections at once. A further one is closed at once, so that its client turns to another replica.
    pub max_connections: usize,
    /// Until a new connection has done its TLS handshake, and again until its first bytes have come.
    pub opening_timeout: Duration,
    /// Until the next request's head has come whole on an HTTP/1.1 connection, idle time included. Longer
    /// than clients keep idle connections (Go: 90 s), so that they never write to one being closed.
    pub idle_timeout: Duration,
    /// Longest time that a client takes no bytes of what it asked for.
    pub write_timeout: Duration,
    /// How often a silent HTTP/2 client is asked for a sign of life; it has as long to give one.
    pub keepalive_interval: Duration,
    /// Calls at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of one request's headers, its URL included.
    pub max_header_bytes: u32,
    /// How long calls in progress may go on after the stop.
    pub drain: Duration,
}

impl ListenerConfig {
    /// A listener on `address` without TLS, for up to 20,000 connections.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: None,
            max_connections: 20_000,
            opening_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            keepalive_interval: Duration::from_secs(20),
            max_streams: 1_024,
            max_header_bytes: 64 * 1024,
            drain: Duration::from_secs(5),
        }
    }
}
