use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use navarch_host::{Network, Stream};
use navarch_proto::peer::peer_service_client::PeerServiceClient;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::MAX_MESSAGE_BYTES;
use crate::{config::host_of, tls::PeerTls};

/// A silently cut connection is noticed after these two together; a stream would otherwise hang for ever.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Long enough for a connection and its TLS handshake, short beside a caller's deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// What may be on its way unread: several full append messages.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// Connections kept; a group has a handful of replicas, and old addresses may go.
const MAX_CHANNELS: usize = 128;

/// What a connection is for. Each kind has its own, so that none waits behind another's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Replication of entries.
    Append,
    /// Heartbeats, votes, read indexes: small and urgent.
    Urgent,
    /// Snapshots.
    Snapshot,
    /// Relayed calls.
    Relay,
    /// Questions outside Raft: hello, join.
    Control,
}

/// Connections to other replicas, made at first use and kept: Raft asks for new clients at every election.
pub(crate) struct Channels {
    network: Arc<dyn Network>,
    tls: Option<PeerTls>,
    open: Mutex<HashMap<(String, Lane), PeerServiceClient<Channel>>>,
}

impl Channels {
    pub(crate) fn new(network: Arc<dyn Network>, tls: Option<PeerTls>) -> Self {
        Self { network, tls, open: Mutex::new(HashMap::new()) }
    }

    /// A client for `lane` to `address` (`HOST:PORT`); it connects when it is used. Call it on the Raft
    /// runtime, where its connection will live.
    pub(crate) fn client(
        &self,
        address: &str,
        lane: Lane,
    ) -> Result<PeerServiceClient<Channel>, tonic::Status> {
        let key = (address.to_owned(), lane);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = open.get(&key) {
            return Ok(client.clone());
        }
        let endpoint = self.endpoint(address).map_err(|reason| {
            tonic::Status::unavailable(format!("peer address {address:?}: {reason}"))
        })?;
        let client = PeerServiceClient::new(endpoint.connect_with_connector_lazy(self.connector()))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        if open.len() >= MAX_CHANNELS {
            open.clear();
        }
        open.insert(key, client.clone());
        Ok(client)
    }

    /// Closes all connections once their users let go.
    pub(crate) fn clear(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Opens connections for tonic, which adds TLS and the limit of time.
    fn connector(
        &self,
    ) -> impl Service<Uri, Response = TokioIo<Stream>, Error = io::Error, Future: Send> + Send + 'static
    {
        let network = Arc::clone(&self.network);
        tower::service_fn(move |uri: Uri| {
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            let host = host_of(authority).unwrap_or_default();
            let connecting = network.connect(host, uri.port_u16().unwrap_or_default());
            async move { connecting.await.map(TokioIo::new) }
        })
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, String> {
        let host = host_of(address).ok_or("it is not HOST:PORT")?;
        let scheme = match self.tls {
            Some(_) => "https",
            None => "http",
        };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| crate::tls::describe(&error))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        match &self.tls {
            Some(tls) => {
                endpoint.tls_config(tls.client(host)).map_err(|error| crate::tls::describe(&error))
            }
            None => Ok(endpoint),
        }
    }
}

/// The server's side of the same settings.
pub(crate) fn server_builder(tls: Option<&PeerTls>) -> Result<tonic::transport::Server, String> {
    let builder = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    match tls {
        Some(tls) => builder.tls_config(tls.server()).map_err(|error| crate::tls::describe(&error)),
        None => Ok(builder),
    }
}
