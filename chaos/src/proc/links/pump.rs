use std::{io, time::Duration};

use bytes::Bytes;
use navarch_host::{Clock, Moment};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
};

use super::{
    Party,
    rule::{InForce, Road},
};

/// What is read at once, bytes.
const CHUNK: usize = 16 * 1024;

/// Chunks under way: with them about a megabyte is on the road before the sender has to wait, as with a
/// kernel's buffers.
const CHUNKS: usize = 64;

/// One direction of a connection.
pub(super) struct Pump {
    pub(super) clock: Clock,
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) rules: watch::Receiver<Vec<InForce>>,
}

impl Pump {
    /// Passes on what comes, as the rules have it, until the source ends; then the other side is told so.
    pub(super) async fn run(self, source: ReadHalf<'_>, target: WriteHalf<'_>) -> io::Result<()> {
        let (send, receive) = mpsc::channel(CHUNKS);
        futures::try_join!(self.take(source, send), self.give(receive, target)).map(drop)
    }

    async fn take(
        &self,
        mut source: ReadHalf<'_>,
        send: mpsc::Sender<(Moment, Bytes)>,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = source.read(&mut chunk).await?;
            let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            let road = self.road();
            road.touch();
            let due = self.clock.now() + road.delay;
            if send.send((due, Bytes::copy_from_slice(read))).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn give(
        &self,
        mut receive: mpsc::Receiver<(Moment, Bytes)>,
        mut target: WriteHalf<'_>,
    ) -> io::Result<()> {
        while let Some((due, bytes)) = receive.recv().await {
            if due > self.clock.now() {
                self.clock.sleep_until(due).await;
            }
            let road = self.until_open().await;
            if let Some(rate) = road.rate {
                let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let micros = bytes.saturating_mul(1_000_000) / rate.max(1);
                self.clock.sleep(Duration::from_micros(micros)).await;
            }
            target.write_all(&bytes).await?;
        }
        self.until_open().await;
        target.shutdown().await
    }

    /// Waits until nothing is held back; answers what the road is like then.
    async fn until_open(&self) -> Road {
        let mut rules = self.rules.clone();
        loop {
            let road = Road::of(&rules.borrow_and_update(), self.from, self.to);
            let flaps = road.flaps_for(self.clock.wall_ms());
            if !road.stalled && flaps.is_zero() {
                return road;
            }
            road.touch();
            let changed = rules.changed();
            if !road.stalled {
                // Whichever comes first: the rules are looked at again.
                let _ = self.clock.timeout(flaps, changed).await;
            } else if changed.await.is_err() {
                return road;
            }
        }
    }

    fn road(&self) -> Road {
        Road::of(&self.rules.borrow(), self.from, self.to)
    }
}
