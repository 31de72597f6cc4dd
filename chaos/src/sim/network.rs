use std::{
    fmt,
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use navarch_host::{Acceptor, Network, Port, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use super::trace::Trace;

/// Configured addresses of replicas are on loopback, where plain text is allowed: the last byte less this is the replica.
const FIRST_HOST: u8 = 10;

/// The address that replica `index` is configured with, without a port.
pub(super) fn address_of(index: usize) -> String {
    format!("127.0.0.{}", usize::from(FIRST_HOST) + index)
}

/// What turmoil calls the host of replica `index`.
pub(super) fn replica_host(index: usize) -> String {
    format!("r{}", index + 1)
}

/// turmoil's network, as a host on it sees it.
#[derive(Clone)]
pub(super) struct SimulatedNetwork {
    host: String,
    trace: Trace,
}

impl SimulatedNetwork {
    pub(super) fn new(host: impl Into<String>, trace: Trace) -> Self {
        Self { host: host.into(), trace }
    }

    fn watch(&self, stream: TcpStream) -> Stream {
        Stream::Other(Box::new(Watched {
            stream,
            host: self.host.clone(),
            trace: self.trace.clone(),
        }))
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SimulatedNetwork({})", self.host)
    }
}

impl Network for SimulatedNetwork {
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Port>> {
        let network = self.clone();
        Box::pin(async move {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await?;
            Ok(Port::Other(Box::new(SimulatedPort { listener, address, network })))
        })
    }

    fn connect(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let to = named(host);
        let network = self.clone();
        Box::pin(async move {
            let to = to?;
            let connected = TcpStream::connect((to.as_str(), port)).await;
            network.trace.note(format_args!(
                "{} -> {to}:{port} {}",
                network.host,
                connected.is_ok()
            ));
            connected.map(|stream| network.watch(stream))
        })
    }
}

/// The host behind a configured address.
fn named(host: &str) -> io::Result<String> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("nobody is at {host}"));
    let address: Ipv4Addr = host.parse().map_err(|_| unknown())?;
    let last = address.octets()[3].checked_sub(FIRST_HOST).ok_or_else(unknown)?;
    Ok(replica_host(usize::from(last)))
}

struct SimulatedPort {
    listener: TcpListener,
    address: SocketAddr,
    network: SimulatedNetwork,
}

impl Acceptor for SimulatedPort {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async {
            let (stream, from) = self.listener.accept().await?;
            Ok((self.network.watch(stream), from))
        })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.address.port()))
    }
}

/// A connection whose writes are in the trace.
struct Watched {
    stream: TcpStream,
    host: String,
    trace: Trace,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.trace.note(format_args!("{} writes {count}", self.host));
        }
        written
    }

    /// One segment for all slices: turmoil would send each alone.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(context, &whole)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
