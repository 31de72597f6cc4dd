use std::{io, pin::pin, sync::Arc};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto};
use navarch_host::{Clock, Spawner, Stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use super::{
    ListenerConfig,
    answers::Answers,
    executor::SpawnerExecutor,
    io::{GuardedIo, Opening},
    timer::ClockTimer,
};
use crate::api::connect::Bridge;

/// The first byte of every TLS connection (RFC 8446, section 5.1: a record of type `handshake`).
const TLS_HANDSHAKE: u8 = 22;

/// Bytes that are read from a client before it is left, so that it sees the answer.
const UNREAD_LIMIT: u64 = 64 * 1024;

/// Whoever speaks HTTP to a port that speaks TLS hears so in words; to HTTP/2 it is no frame either way.
const NOT_IN_THE_CLEAR: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
     this port speaks TLS: use https://\n";

/// What all connections of a listener share.
pub(super) struct Connections {
    bridge: Bridge,
    clock: Clock,
    config: ListenerConfig,
    tls: Option<TlsAcceptor>,
    http1: auto::Builder<SpawnerExecutor>,
    http2: auto::Builder<SpawnerExecutor>,
}

impl Connections {
    pub(super) fn new(
        bridge: Bridge,
        config: ListenerConfig,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
    ) -> Self {
        let timer = ClockTimer::new(clock.clone());
        let mut builder = auto::Builder::new(SpawnerExecutor(spawner));
        builder
            .http1()
            .timer(timer.clone())
            .header_read_timeout(config.idle_timeout)
            .max_buf_size(usize::try_from(config.max_header_bytes).unwrap_or(usize::MAX));
        builder
            .http2()
            .timer(timer)
            .keep_alive_interval(config.keepalive_interval)
            .keep_alive_timeout(config.keepalive_interval)
            .max_concurrent_streams(config.max_streams)
            .max_header_list_size(config.max_header_bytes);
        Self {
            bridge,
            clock,
            tls: config.tls.clone().map(TlsAcceptor::from),
            config,
            http1: builder.clone().http1_only(),
            http2: builder.http2_only(),
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, stream: Stream) {
        let (tls, stream) = match (&self.tls, stream) {
            (Some(tls), Stream::Tcp(stream)) => (tls, stream),
            (None, stream) => return self.serve_http(stream).await,
            (Some(_), Stream::Other(_)) => return debug!("TLS is for the system's connections"),
        };
        let handshake = self.clock.timeout(self.config.opening_timeout, shake_hands(tls, stream));
        match handshake.await {
            Ok(Ok(stream)) => self.serve_http(stream).await,
            Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    }

    async fn serve_http<I>(&self, mut stream: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stopping = self.bridge.stopping();
        let reading = self.clock.timeout(self.config.opening_timeout, Opening::read(&mut stream));
        let opening = tokio::select! {
            opening = reading => opening,
            // Nothing was asked, so nothing is lost.
            () = stopping.cancelled() => return,
        };
        let opening = match opening {
            Ok(Ok(opening)) => opening,
            Ok(Err(error)) => return debug!(%error, "a connection ended before its first request"),
            Err(_) => return debug!("a connection sent nothing for too long"),
        };
        let builder = if opening.is_http2() { &self.http2 } else { &self.http1 };
        let timeout = self.config.write_timeout;
        let io = GuardedIo::new(stream, opening, self.clock.clone(), timeout);
        let bridge = self.bridge.clone();
        let answers = Answers::new(self.clock.clone());
        let watching = Arc::clone(&answers);
        let service = service_fn(move |request: Request<Incoming>| {
            let (answer, answers) = (bridge.call(request), Arc::clone(&watching));
            async move { answer.await.map(|response| response.map(|body| answers.watch(body))) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        let serving = async {
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        tokio::select! {
            ended = serving => if let Err(error) = ended {
                debug!(error, "a connection ended early");
            },
            () = answers.stalled(timeout) => {
                debug!("a client took nothing of an answer for too long");
            }
        }
    }
}

/// The server's half of a TLS handshake.
async fn shake_hands(tls: &TlsAcceptor, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    if length > 0 && first != [TLS_HANDSHAKE] {
        stream.write_all(NOT_IN_THE_CLEAR.as_bytes()).await?;
        // Unread bytes would turn the end into a reset, which takes the answer away from its reader.
        stream.shutdown().await?;
        let mut rest = (&mut stream).take(UNREAD_LIMIT);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        return Err(io::Error::other("the client does not speak TLS"));
    }
    tls.accept(stream).await
}
