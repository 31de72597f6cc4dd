use std::{net::SocketAddr, sync::Arc};

use navarch_proto::peer::peer_service_server::PeerServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::{MAX_MESSAGE_BYTES, channels::server_builder, service::PeerPortService};
use crate::{replica_error::StartError, tls::PeerTls};

/// The socket of the peer port, bound before anything else is touched.
pub(crate) struct PeerPort {
    listener: TcpListener,
    tls: Option<PeerTls>,
}

impl PeerPort {
    /// Listens on `address`, `HOST:PORT`; call it on the Raft runtime.
    pub(crate) async fn bind(address: &str, tls: Option<PeerTls>) -> Result<Self, StartError> {
        // `:7000` listens everywhere, as for the public port.
        let spelled = match address.starts_with(':') {
            true => format!("0.0.0.0{address}"),
            false => address.to_owned(),
        };
        let listener = TcpListener::bind(&spelled)
            .await
            .map_err(|source| StartError::Listen { address: address.to_owned(), source })?;
        Ok(Self { listener, tls })
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
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
        // The builder sets options only of listeners of its own. Without this one answers wait for the
        // acknowledgement of the packet before, which the other side delays by 40 ms.
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
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
