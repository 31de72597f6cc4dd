use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
};

/// Connections that the operating system holds until they are accepted: those of a fleet that comes back at
/// once after a failover.
const BACKLOG: u32 = 4_096;

/// How others are reached, so that a simulation can put a network of its own under a replica.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Opens a port. Port 0: the network chooses one.
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Port>>;

    /// Connects to `host` (a name or an address without brackets) at `port`.
    fn connect(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>>;
}

impl dyn Network {
    /// Opens a port at the first address that `name`, `HOST:PORT`, stands for and that can be had.
    ///
    /// # Errors
    ///
    /// A name that stands for nothing, or why the last address cannot be had.
    pub async fn listen_at(&self, name: &str) -> io::Result<Port> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in lookup_host(name).await? {
            match self.listen(address).await {
                Ok(port) => return Ok(port),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// A stream of bytes that is none of the operating system's.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open port that is none of the operating system's.
pub trait Acceptor: Send + Sync {
    /// The next connection, and who opened it.
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>>;

    /// Where it listens.
    fn address(&self) -> io::Result<SocketAddr>;
}

/// An open port.
pub enum Port {
    /// A socket.
    Tcp(TcpListener),
    /// Another network's.
    Other(Box<dyn Acceptor>),
}

impl Port {
    /// The next connection, and who opened it.
    ///
    /// # Errors
    ///
    /// As the network's.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, from) = socket.accept().await?;
                Ok((Stream::tcp(stream), from))
            }
            Self::Other(port) => port.accept().await,
        }
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    ///
    /// As the network's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr(),
            Self::Other(port) => port.address(),
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Port").field(&self.address()).finish()
    }
}

/// A connection.
pub enum Stream {
    /// A socket's.
    Tcp(TcpStream),
    /// Another network's.
    Other(Box<dyn ByteStream>),
}

impl Stream {
    fn tcp(stream: TcpStream) -> Self {
        // Messages are written whole, so waiting for more to send with them only delays them: by 40 ms, where the
        // other side delays its acknowledgement. Where the option is missing they are merely later.
        let _ = stream.set_nodelay(true);
        Self::Tcp(stream)
    }

    /// Has its readiness told to the runtime that will use it.
    ///
    /// # Errors
    ///
    /// If the operating system does not let go of it.
    pub fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Detached::Tcp),
            Self::Other(stream) => Ok(Detached::Other(stream)),
        }
    }

    fn inner(&mut self) -> Pin<&mut dyn ByteStream> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Other(stream) => Pin::new(&mut **stream),
        }
    }
}

/// A connection on its way from one runtime to another.
pub enum Detached {
    /// A socket's.
    Tcp(std::net::TcpStream),
    /// Another network's.
    Other(Box<dyn ByteStream>),
}

impl Detached {
    /// On the runtime that calls this.
    ///
    /// # Errors
    ///
    /// If the runtime cannot take it.
    pub fn attach(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Other(stream) => Ok(Stream::Other(stream)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(context)
    }
}

/// The operating system's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl SystemNetwork {
    /// As whatever wants any network takes it.
    pub fn shared() -> Arc<dyn Network> {
        Arc::new(Self)
    }
}

impl Network for SystemNetwork {
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Port>> {
        Box::pin(std::future::ready(open(address).map(Port::Tcp)))
    }

    fn connect(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let host = host.to_owned();
        Box::pin(async move { TcpStream::connect((host, port)).await.map(Stream::tcp) })
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A port that was just closed may be opened again at once, as after a restart.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Without it a connection that moved to another runtime might never be told that it can be read.
    #[tokio::test]
    async fn a_connection_goes_on_after_it_moved() {
        let port = SystemNetwork.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let at = port.address().unwrap();
        let dialled = SystemNetwork.connect("127.0.0.1", at.port());
        let (accepted, dialled) = tokio::join!(port.accept(), dialled);
        let (mut near, mut far) =
            (accepted.unwrap().0.detach().unwrap().attach().unwrap(), dialled.unwrap());
        far.write_all(b"over").await.unwrap();
        let mut heard = [0; 4];
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"over");
    }
}
