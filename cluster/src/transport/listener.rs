use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::stream;
use navarch_host::{Network, Port, Stream};
use navarch_proto::peer::peer_service_server::PeerServiceServer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{MAX_MESSAGE_BYTES, channels::server_builder, service::PeerPortService};
use crate::{replica_error::StartError, tls::PeerTls};

/// The socket of the peer port, bound before anything else is touched.
pub(crate) struct PeerPort {
    port: Port,
    tls: Option<PeerTls>,
}

impl PeerPort {
    /// Listens on `address`, `HOST:PORT`; call it on the Raft runtime.
    pub(crate) async fn bind(
        network: &dyn Network,
        address: &str,
        tls: Option<PeerTls>,
    ) -> Result<Self, StartError> {
        // `:7000` listens everywhere, as for the public port.
        let spelled = match address.starts_with(':') {
            true => format!("0.0.0.0{address}"),
            false => address.to_owned(),
        };
        let port = network
            .listen_at(&spelled)
            .await
            .map_err(|source| StartError::Listen { address: address.to_owned(), source })?;
        Ok(Self { port, tls })
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.port.address().ok()
    }

    /// Serves until `stop`, then lets the calls under way end.
    pub(crate) async fn serve(self, service: Arc<PeerPortService>, stop: CancellationToken) {
        let address = self.local_address();
        let mut builder = match server_builder(self.tls.as_ref()) {
            Ok(builder) => builder,
            // The same files were loaded before the port was bound.
            Err(reason) => {
                tracing::error!(%reason, "the peer port cannot use its certificate");
                return;
            }
        };
        let service = PeerServiceServer::from_arc(service)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let incoming = stream::unfold(self.port, async |port| {
            let accepted = port.accept().await.map(|(stream, _)| PeerStream(stream));
            Some((accepted, port))
        });
        let served = builder
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await;
        match served {
            Ok(()) => tracing::debug!(?address, "the peer port is closed"),
            Err(error) => {
                let reason = crate::tls::describe(&error);
                tracing::error!(?address, %reason, "the peer port failed");
            }
        }
    }
}

/// A connection as tonic takes it.
struct PeerStream(Stream);

impl Connected for PeerStream {
    /// Peers say in each message who they are.
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
