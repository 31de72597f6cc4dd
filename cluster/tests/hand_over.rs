//! What a new leader sends before it can commit.

mod common;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Live, homes, leader, start_all, within};
use futures::future::BoxFuture;
use navarch_host::{Network, Port, Stream, SystemNetwork};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use tokio_util::io::InspectWriter;

/// Entries of the log, and how much each carries, which does not shrink.
const ENTRIES: u64 = 400;
const ENTRY_BYTES: usize = 8 << 10;

/// The machine's network, and how much was sent over connections that were opened here.
#[derive(Debug)]
struct Counting {
    network: Arc<dyn Network>,
    sent: Arc<AtomicU64>,
}

impl Network for Counting {
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Port>> {
        self.network.listen(address)
    }

    fn connect(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (connected, sent) = (self.network.connect(host, port), Arc::clone(&self.sent));
        Box::pin(async move {
            let count = move |bytes: &[u8]| {
                sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            };
            let counted = InspectWriter::new(connected.await?, count);
            Ok(Stream::Other(Box::new(counted)))
        })
    }
}

/// Without it a new leader would look for what it has in common with each voter in all of the log, eight entries and a round
/// trip at a time, though the votes have told it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_does_not_search_the_log_for_what_votes_have_told() {
    let mut homes = homes(&["a", "b", "c"]);
    let sent = Arc::<AtomicU64>::default();
    for home in &mut homes {
        let network = SystemNetwork::shared();
        home.network = Arc::new(Counting { network, sent: Arc::clone(&sent) });
    }
    let replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let live = &replicas[first];
    let mut chance = SmallRng::seed_from_u64(1);
    let proposals = (0..ENTRIES).map(|_| {
        let payload: Vec<u8> = (0..ENTRY_BYTES).map(|_| chance.random()).collect();
        live.replica.propose(Bytes::from(payload), live.soon())
    });
    for answer in futures::future::join_all(proposals).await {
        answer.unwrap();
    }
    all_have(&replicas, ENTRIES).await;
    let mut least = u64::MAX;
    for turn in 1..=3 {
        let leading = leader(&replicas).await;
        let target = (leading + 1) % 3;
        let before = sent.load(Ordering::Relaxed);
        let (live, id) = (&replicas[leading], replicas[target].id());
        assert_eq!(live.replica.transfer_leader(Some(id), live.soon()).await, Ok(id));
        assert_eq!(leader(&replicas).await, target);
        replicas[target].write("after").await;
        all_have(&replicas, ENTRIES + turn).await;
        least = least.min((sent.load(Ordering::Relaxed) - before) / ENTRY_BYTES as u64);
    }
    // Up to eight for each follower, and as many for one whose vote came when the leader led already. By halves it is eight
    // for each of five steps and each follower: a follower whose vote comes last of all is searched in that way.
    assert!(least <= 40, "as much as {least} entries was sent");
}

async fn all_have(replicas: &[Live], entries: u64) {
    for replica in replicas {
        within(Duration::from_secs(5), "it lags", async || {
            let applied = replica.entries.lock().ok()?.len() as u64;
            (applied == entries).then_some(())
        })
        .await;
    }
}
