use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use navarch_host::Clock;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What an HTTP/2 client sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Opening {
    /// Reads until the bytes tell HTTP/2 from HTTP/1.1.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut opening = Self::default();
        while opening.length < PREFACE.len() && PREFACE.starts_with(opening.read_so_far()) {
            let free = opening.bytes.get_mut(opening.length..).unwrap_or_default();
            match stream.read(free).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => opening.length += read,
            }
        }
        Ok(opening)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.bytes == *PREFACE
    }

    fn read_so_far(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// A byte stream whose first bytes were read before, and whose writes fail once the other side has taken
/// nothing for too long.
pub(super) struct GuardedIo<I> {
    inner: I,
    opening: Opening,
    /// How many bytes of the opening have been handed on.
    handed_on: usize,
    clock: Clock,
    write_timeout: Duration,
    /// Runs only while the other side takes nothing.
    stalled: Option<BoxFuture<'static, ()>>,
}

impl<I> GuardedIo<I> {
    pub(super) fn new(inner: I, opening: Opening, clock: Clock, write_timeout: Duration) -> Self {
        Self { inner, opening, handed_on: 0, clock, write_timeout, stalled: None }
    }

    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let (clock, limit) = (&self.clock, self.write_timeout);
        let stalled = self.stalled.get_or_insert_with(|| clock.sleep_until(clock.now() + limit));
        ready!(stalled.poll_unpin(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client took nothing for {} s", limit.as_secs()),
        )))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for GuardedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = this.opening.read_so_far().get(this.handed_on..);
        let rest = rest.unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        let now = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..now).unwrap_or_default());
        this.handed_on += now;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for GuardedIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.bounded(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use navarch_host::FakeClock;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Without it a request could lose its first bytes, or HTTP/2 be taken for HTTP/1.1.
    #[tokio::test]
    async fn openings_are_told_apart_and_handed_on() {
        let cases: [(&[u8], bool); 4] = [
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest", true),
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"POST /a HTTP/1.1\r\nhost: b\r\n\r\n", false),
            (b"PRI * HTTP/1.1\r\n\r\n", false),
        ];
        for (bytes, http2) in cases {
            for piece in [1, 5, bytes.len()] {
                let mut stream = reader_of_pieces(bytes, piece);
                let opening = Opening::read(&mut stream).await.unwrap();
                assert_eq!(opening.is_http2(), http2, "{}", bytes.escape_ascii());
                let clock = Clock::fake(FakeClock::new(0));
                let mut io = GuardedIo::new(stream, opening, clock, Duration::ZERO);
                let mut seen = Vec::new();
                io.read_to_end(&mut seen).await.unwrap();
                assert_eq!(seen, bytes, "{} in {piece}s", bytes.escape_ascii());
            }
        }
    }

    /// A reader that gives at most `piece` bytes at once.
    fn reader_of_pieces(bytes: &[u8], piece: usize) -> impl AsyncRead + Unpin + use<> {
        let (mut writer, reader) = tokio::io::duplex(piece);
        let bytes = bytes.to_vec();
        tokio::spawn(async move { writer.write_all(&bytes).await });
        reader
    }

    /// Without it a client that asks for much and reads nothing would hold its answers for ever.
    #[tokio::test(flavor = "current_thread")]
    async fn a_client_that_takes_nothing_is_dropped() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let (near, far) = tokio::io::duplex(8);
        let limit = Duration::from_secs(60);
        let mut io = GuardedIo::new(near, Opening::default(), clock, limit);
        let writing = tokio::spawn(async move { io.write_all(&[0; 100]).await });
        fake.advance(Duration::from_secs(59)).await;
        assert!(!writing.is_finished());
        fake.advance(Duration::from_secs(1)).await;
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }
}
