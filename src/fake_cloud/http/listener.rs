use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use navarch_host::{Clock, Spawner};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::{reply::DropConnection, visit::Peer};
use crate::fake_cloud::FakeCloudError;

/// Connections at once; further ones wait to be accepted.
const CONNECTION_LIMIT: usize = 4_096;

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long requests may go on after the stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// How long to pause when connections cannot be accepted, which is mostly for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub(in crate::fake_cloud) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A fault wants the connection closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer, as the fault asks")]
struct Dropped;

impl Listener {
    /// Listens at `address`.
    pub(in crate::fake_cloud) async fn bind(address: &str) -> Result<Self, FakeCloudError> {
        let bound = async {
            let socket = TcpListener::bind(address).await?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bound.await.map_err(|source: io::Error| FakeCloudError::Listen {
            address: address.to_owned(),
            source,
        })
    }

    /// Where it listens.
    pub(in crate::fake_cloud) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop`, then lets requests end for a while.
    pub(in crate::fake_cloud) async fn serve(
        self,
        router: Router,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        stop: CancellationToken,
    ) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
        let cut = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.socket, &places) => accepted,
            };
            let (stream, peer, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = serve_connection(stream, peer, router.clone(), &graceful);
            let cut = cut.clone();
            spawner.spawn("fake-cloud-connection", async move {
                tokio::select! {
                    () = connection => {}
                    () = cut.cancelled() => {}
                }
                drop(place);
            });
        }
        // Cut what has not ended by then: a fault may be holding an answer back for minutes.
        let _ = clock.timeout(DRAIN_LIMIT, graceful.shutdown()).await;
        cut.cancel();
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(socket: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, peer) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut router = router.clone();
        request.extensions_mut().insert(Peer(peer));
        async move {
            let response: Response<Body> = match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<DropConnection>().is_some() {
                return Err(Dropped);
            }
            Ok(response)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    async move {
        // A broken connection is its client's to notice.
        if let Err(error) = connection.await {
            tracing::debug!(%peer, error, "connection ended");
        }
    }
}
