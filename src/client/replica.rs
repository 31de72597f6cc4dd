use std::{
    io,
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Moment, Network, Spawner};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::{
    address::Address,
    connection::{Connection, Keepalive},
    error::TryError,
};

/// How often the time in which a replica that failed is tried last doubles, once with each failure in a row.
const MAX_DOUBLINGS: u32 = 3;

/// What is needed to connect to any replica.
pub(super) struct Dialler {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) clock: Clock,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) network: Arc<dyn Network>,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Duration,
}

/// A replica as a client sees it: its address, its connections, and how it behaved lately.
pub(super) struct Replica {
    pub(super) address: Address,
    slots: Box<[Slot]>,
    turn: AtomicUsize,
    health: Health,
}

impl Replica {
    /// After a failure it is tried last for as long as `suspicion`, and up to eight times as long after several in a row.
    pub(super) fn new(
        address: Address,
        connections: usize,
        (origin, suspicion): (Moment, Duration),
    ) -> Self {
        Self {
            address,
            slots: (0..connections.max(1)).map(|_| Slot::default()).collect(),
            turn: AtomicUsize::new(0),
            health: Health {
                origin,
                suspicion,
                suspect_until_ms: AtomicU64::new(0),
                failures: AtomicU32::new(0),
            },
        }
    }

    /// An open connection, opened now if there is none.
    pub(super) async fn connection(&self, dialler: &Dialler) -> Result<Connection, TryError> {
        let turn = match self.slots.len() {
            1 => 0,
            count => self.turn.fetch_add(1, Ordering::Relaxed) % count,
        };
        let slot = &self.slots[turn];
        match slot.live() {
            Some(connection) => Ok(connection),
            // In a box of its own: it is rare and large, and would be a part of every call's future.
            None => Box::pin(slot.connect(&self.address, dialler)).await,
        }
    }

    /// Whether it failed so lately that others should be tried first.
    pub(super) fn is_suspect(&self, now: Moment) -> bool {
        self.health.is_suspect(now)
    }

    /// Notes that it answered.
    pub(super) fn succeeded(&self) {
        self.health.succeeded();
    }

    /// Notes that it could not be used.
    pub(super) fn failed(&self, now: Moment) {
        self.health.failed(now);
    }
}

/// How a replica behaved lately.
struct Health {
    origin: Moment,
    suspicion: Duration,
    suspect_until_ms: AtomicU64,
    failures: AtomicU32,
}

impl Health {
    fn is_suspect(&self, now: Moment) -> bool {
        let until = self.suspect_until_ms.load(Ordering::Relaxed);
        until != 0 && self.ms(now) < until
    }

    fn succeeded(&self) {
        // Nearly always there is nothing to forget; a load is cheaper than a store on a shared line.
        if self.suspect_until_ms.load(Ordering::Relaxed) != 0 {
            self.suspect_until_ms.store(0, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    fn failed(&self, now: Moment) {
        // Many calls in flight fail together with their connection: that is one failure.
        if self.is_suspect(now) {
            return;
        }
        let doublings = self.failures.fetch_add(1, Ordering::Relaxed).min(MAX_DOUBLINGS);
        let until = self.ms(now + self.suspicion * (1 << doublings));
        self.suspect_until_ms.store(until, Ordering::Relaxed);
    }

    fn ms(&self, moment: Moment) -> u64 {
        u64::try_from(moment.since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Room for one connection.
#[derive(Default)]
struct Slot {
    live: Mutex<Option<Connection>>,
    /// Held by the one caller that connects; the others wait for its result.
    connecting: tokio::sync::Mutex<()>,
    failures: AtomicU64,
    last_failure: Mutex<Option<TryError>>,
    /// How often in a row a connection was given up before its first answer.
    hasty: AtomicU32,
}

impl Slot {
    fn live(&self) -> Option<Connection> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().filter(|connection| !connection.is_closed()).cloned()
    }

    /// What the connection to be opened gets, by what became of the one before.
    fn keepalive(&self, period: Duration) -> Keepalive {
        let before = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let hasty = match before {
            Some(before) if before.was_hasty() => {
                self.hasty.fetch_add(1, Ordering::Relaxed).saturating_add(1)
            }
            Some(_) => {
                self.hasty.store(0, Ordering::Relaxed);
                0
            }
            // The try before this one did not connect.
            None => self.hasty.load(Ordering::Relaxed),
        };
        Keepalive::after(period, hasty)
    }

    async fn connect(&self, address: &Address, dialler: &Dialler) -> Result<Connection, TryError> {
        let seen = self.failures.load(Ordering::Acquire);
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        if self.failures.load(Ordering::Acquire) != seen {
            // Somebody else tried while this caller waited: its result is as good as a second one.
            let last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(failure) = last.as_ref() {
                return Err(failure.clone());
            }
        }
        let limit = dialler.connect_timeout;
        let keepalive = self.keepalive(dialler.keepalive);
        let dialled = dial(address, dialler, keepalive);
        let result = match dialler.clock.timeout(limit, dialled).await {
            Ok(result) => result,
            Err(_) => Err(TryError::Connect(format!("no connection within {limit:?}").into())),
        };
        match &result {
            Ok(connection) => {
                *self.live.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(connection.clone());
            }
            Err(failure) => {
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(failure.clone());
                self.failures.fetch_add(1, Ordering::Release);
            }
        }
        result
    }
}

async fn dial(
    address: &Address,
    dialler: &Dialler,
    keepalive: Keepalive,
) -> Result<Connection, TryError> {
    let port = address.authority.port_u16().unwrap_or_default();
    let stream = dialler.network.connect(address.host(), port).await?;
    let clock = dialler.clock.clone();
    let opened = match &dialler.tls {
        Some(config) if address.tls => {
            let name = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
            let connector = TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(name, stream).await?;
            Connection::open(stream, keepalive, clock, &*dialler.spawner).await
        }
        _ => Connection::open(stream, keepalive, clock, &*dialler.spawner).await,
    };
    opened.map_err(|error| TryError::Connect(error.to_string().into()))
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;

    /// Without it a dead replica would be asked first again at once, or never again.
    #[tokio::test]
    async fn suspicion_doubles_three_times_and_ends_with_an_answer() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let begun = (clock.now(), Duration::from_secs(1));
        let replica = Replica::new(Address::parse("a:1", false).unwrap(), 1, begun);
        assert!(!replica.is_suspect(clock.now()));
        for seconds in [1, 2, 4, 8, 8] {
            replica.failed(clock.now());
            replica.failed(clock.now());
            fake.advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert!(replica.is_suspect(clock.now()), "within {seconds} s");
            fake.advance(Duration::from_millis(1)).await;
            assert!(!replica.is_suspect(clock.now()), "after {seconds} s");
        }
        replica.failed(clock.now());
        replica.succeeded();
        assert!(!replica.is_suspect(clock.now()));
    }
}
