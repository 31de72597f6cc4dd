use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, PingPong, client};
use navarch_host::{Clock, Spawner};
use tokio::io::{AsyncRead, AsyncWrite};

/// What a stream may receive before it is read, bytes.
const STREAM_WINDOW: u32 = 1 << 20;
/// What all streams of a connection may receive before it is read, bytes.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Headers of an answer, bytes: metadata and an error text.
const MAX_HEADERS: u32 = 64 << 10;
/// How long the answer to a ping may take at most, however slow those before it were; but see [`Keepalive::least`].
const MAX_PATIENCE: Duration = Duration::from_secs(8);
/// Streams that may be open before the replica has said how many it takes.
const FIRST_STREAMS: usize = 256;

/// An open HTTP/2 connection. Calls go straight into `h2`: hyper's client would start a task for each call,
/// and tonic's channel would add a queue in front of it.
#[derive(Clone)]
pub(super) struct Connection {
    sender: client::SendRequest<Bytes>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    closed: AtomicBool,
    /// Closed because nothing came, not because it broke.
    given_up: AtomicBool,
    /// The first ping was answered.
    answered: AtomicBool,
    in_flight: AtomicUsize,
    /// Counts signs of life.
    heard: AtomicU64,
}

/// When a connection is given up.
#[derive(Clone, Copy)]
pub(super) struct Keepalive {
    /// Silence, with calls in flight, after which a ping is sent.
    pub(super) period: Duration,
    /// How long the answer to the first one may take; it is sent at once.
    pub(super) first: Duration,
}

impl Keepalive {
    /// The keepalive of a connection after so many in a row that were given up before their first answer. A replica
    /// that is busy rather than dead would otherwise have its answers thrown away again and again.
    pub(super) fn after(period: Duration, hasty: u32) -> Self {
        let doubled = Self::least(period).saturating_mul(1 << hasty.min(8));
        Self { period, first: doubled.min(Self::most(period)) }
    }

    fn least(period: Duration) -> Duration {
        period.saturating_mul(2)
    }

    fn most(period: Duration) -> Duration {
        MAX_PATIENCE.max(Self::least(period))
    }

    /// How long the next answer may take after one that was as slow as that. What a replica was like on an earlier
    /// connection counts for the first one alone: it may have been frozen then, and be quick now.
    fn patience(self, slow: Option<Duration>) -> Duration {
        let Some(slow) = slow else { return self.first };
        slow.saturating_mul(4).clamp(Self::least(self.period), Self::most(self.period))
    }
}

/// A call in flight on a connection, for the keepalive.
pub(super) struct InFlight(Arc<State>);

impl InFlight {
    /// Notes that the replica said something.
    pub(super) fn heard(&self) {
        self.0.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the replica ever said something on the connection.
    pub(super) fn has_heard(&self) -> bool {
        self.0.heard.load(Ordering::Relaxed) > 0
    }

    /// Says that no further call should be made on the connection.
    pub(super) fn close_connection(&self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

impl State {
    fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.closed.store(true, Ordering::Release);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells afterwards whether a connection was silent during a try.
pub(super) struct Witness {
    state: Arc<State>,
    heard: u64,
}

impl Witness {
    /// Says that no further call should be made on the connection if nothing was heard on it since.
    pub(super) fn close_if_silent(&self) {
        if self.state.heard.load(Ordering::Relaxed) == self.heard {
            self.state.give_up();
        }
    }
}

impl Connection {
    /// Opens HTTP/2 on `io` and starts the task that drives it until it breaks or nobody uses it any more.
    pub(super) async fn open<T>(
        io: T,
        keepalive: Keepalive,
        clock: Clock,
        spawner: &dyn Spawner,
    ) -> Result<Self, h2::Error>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, mut driver) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADERS)
            .initial_max_send_streams(FIRST_STREAMS)
            .enable_push(false)
            .handshake(io)
            .await?;
        let state = Arc::new(State::default());
        let ping_pong = driver.ping_pong();
        let closing = Arc::clone(&state);
        spawner.spawn("client connection", async move {
            let alive = keep_alive(ping_pong, keepalive, clock, Arc::clone(&closing));
            drive(driver, alive).await;
            // Dropping the driver ended every stream that was left.
            closing.closed.store(true, Ordering::Release);
        });
        Ok(Self { sender, state })
    }

    /// Whether calls can no longer be made on it.
    pub(super) fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Acquire)
    }

    /// Whether it was given up before its first ping was answered: too little patience may be to blame.
    pub(super) fn was_hasty(&self) -> bool {
        let given_up = self.state.given_up.load(Ordering::Acquire);
        given_up && !self.state.answered.load(Ordering::Acquire)
    }

    /// A witness from now on.
    pub(super) fn witness(&self) -> Witness {
        Witness { heard: self.state.heard.load(Ordering::Relaxed), state: Arc::clone(&self.state) }
    }

    /// What sends one request; the call counts as in flight until the second half is dropped.
    pub(super) fn begin(self) -> (client::SendRequest<Bytes>, InFlight) {
        self.state.in_flight.fetch_add(1, Ordering::Relaxed);
        (self.sender, InFlight(self.state))
    }
}

/// Drives the connection until it ends, or `alive` tells that the other side is gone.
async fn drive<T>(driver: client::Connection<T, Bytes>, alive: impl Future<Output = ()>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let alive = pin!(alive);
    tokio::select! {
        result = driver => match result {
            Ok(()) => tracing::trace!("connection ended"),
            Err(error) => tracing::debug!(%error, "connection lost"),
        },
        () = alive => tracing::debug!("connection closed: no answer to a ping"),
    }
}

/// Ends when the other side does not answer the first ping, or, silent with calls in flight, a later one.
async fn keep_alive(
    ping_pong: Option<PingPong>,
    keepalive: Keepalive,
    clock: Clock,
    state: Arc<State>,
) {
    let Some(mut ping_pong) = ping_pong else {
        return std::future::pending().await;
    };
    let (mut heard, mut slow) = (0, None::<Duration>);
    loop {
        let asked = clock.now();
        let patience = keepalive.patience(slow);
        match clock.timeout(patience, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {
                state.answered.store(true, Ordering::Release);
                let took = clock.now().since(asked);
                // A slow one is forgotten bit by bit.
                slow = Some(slow.map_or(took, |before| took.max(before / 2)));
            }
            // The driver reports what broke.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return state.give_up(),
        }
        loop {
            clock.sleep(keepalive.period).await;
            let now_heard = state.heard.load(Ordering::Relaxed);
            let silent = now_heard == heard;
            heard = now_heard;
            if silent && state.in_flight.load(Ordering::Relaxed) > 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use navarch_host::{FakeClock, SystemSpawner};
    use tokio::sync::oneshot;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(250);
    const FIRST: Duration = Duration::from_secs(1);

    /// Without it a client would wait longer for each replica that freezes, or never long enough for a busy one.
    #[tokio::test]
    async fn patience_of_before_counts_for_the_first_ping_alone() {
        for answers in [false, true] {
            let fake = FakeClock::new(0);
            let (near, far) = tokio::io::duplex(1 << 16);
            let (freeze, frozen) = oneshot::channel::<()>();
            tokio::spawn(async move {
                if !answers {
                    pending::<()>().await;
                }
                let mut replica = h2::server::handshake(far).await.unwrap();
                tokio::select! {
                    _ = replica.accept() => {}
                    _ = frozen => {}
                }
                pending::<()>().await;
            });
            let clock = Clock::fake(Arc::clone(&fake));
            let spawner = SystemSpawner::current();
            let keepalive = Keepalive { period: PERIOD, first: FIRST };
            let connection = Connection::open(near, keepalive, clock, &*spawner).await.unwrap();
            let (_requests, _in_flight) = connection.clone().begin();
            if answers {
                pass(&fake, FIRST * 4).await;
                assert!(!connection.is_closed(), "it answers pings");
                freeze.send(()).unwrap();
            }
            let patience = if answers { 2 * PERIOD } else { FIRST - PERIOD };
            pass(&fake, patience).await;
            assert!(!connection.is_closed(), "an answer may take so long");
            pass(&fake, 2 * PERIOD).await;
            assert!(connection.is_closed(), "no answer");
            assert_eq!(connection.was_hasty(), !answers);
        }
    }

    /// Without it a client that was itself stopped for an hour would never notice a dead replica again, or a long period
    /// overflow.
    #[test]
    fn patience_follows_what_answers_take_within_bounds() {
        let of = |period, slow_ms| {
            Keepalive::after(period, 0).patience(Some(Duration::from_millis(slow_ms))).as_millis()
        };
        let table = [(1, 500), (200, 800), (3_000, 8_000), (3_600_000, 8_000)];
        for (slow_ms, expected_ms) in table {
            assert_eq!(of(PERIOD, slow_ms), expected_ms, "after {slow_ms} ms");
        }
        let first = |hasty| Keepalive::after(PERIOD, hasty).patience(None).as_millis();
        assert_eq!([0, 1, 2, 5, 99].map(first), [500, 1_000, 2_000, 8_000, 8_000]);
        assert_eq!(of(Duration::from_secs(7), 1), 14_000, "agents are more patient");
        assert_eq!(Keepalive::after(Duration::MAX, 3).patience(None), Duration::MAX);
    }

    /// Lets time pass, and what it wakes run.
    async fn pass(fake: &FakeClock, time: Duration) {
        let step = Duration::from_millis(50);
        for _ in 0..time.as_millis() / step.as_millis() {
            fake.advance(step).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
}
