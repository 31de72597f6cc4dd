use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tonic::{
    client::Grpc,
    transport::{Channel, Endpoint},
};

use super::puts::put;
use crate::{error::ChaosError, host::Host, load::Write};

/// A put that is not answered within this time is begun at the next replica as well. The first answer counts,
/// so that waiting for a replica that is gone costs etcd's side no more than this.
const NEXT_AFTER: Duration = Duration::from_millis(50);

/// Between a refusal and the next try.
const REST: Duration = Duration::from_millis(5);

/// Limit of a put, as of a write of ours.
const LIMIT: Duration = Duration::from_secs(25);

/// A client of all replicas: whichever answers first.
#[derive(Clone)]
struct Anywhere {
    host: Host,
    channels: Arc<Vec<Channel>>,
    /// The replica that answered last is asked first.
    favourite: Arc<AtomicUsize>,
}

/// Puts at whichever of the replicas at `addresses`, each `host:port`, answers first.
///
/// # Errors
///
/// Never for addresses of our own.
pub(super) fn anywhere(host: &Host, addresses: &[String]) -> Result<Write, ChaosError> {
    let channel = |address: &String| {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let failed = |error: tonic::transport::Error| ChaosError::Tool {
            program: "etcd".to_owned(),
            problem: error.to_string(),
        };
        Ok(endpoint.map_err(failed)?.connect_timeout(LIMIT).connect_lazy())
    };
    let channels: Result<Vec<_>, ChaosError> = addresses.iter().map(channel).collect();
    let anywhere =
        Anywhere { host: host.clone(), channels: Arc::new(channels?), favourite: Arc::default() };
    Ok(Arc::new(move |key| -> BoxFuture<'static, _> {
        let anywhere = anywhere.clone();
        Box::pin(async move {
            let put = anywhere.host.clock.timeout(LIMIT, anywhere.put(key)).await;
            put.map_err(|_| format!("no replica answered within {LIMIT:?}"))
        })
    }))
}

impl Anywhere {
    async fn put(&self, key: String) {
        let mut at = self.favourite.load(Ordering::Relaxed);
        let mut tries = FuturesUnordered::new();
        loop {
            tries.push(self.attempt(at, key.clone()));
            at = (at + 1) % self.channels.len();
            let next = self.host.clock.now() + NEXT_AFTER;
            // A refusal is no answer: the next replica is asked, after a rest if all have refused.
            match self.host.clock.timeout_at(next, tries.next()).await {
                Ok(Some(Ok(replica))) => return self.favourite.store(replica, Ordering::Relaxed),
                Ok(Some(Err(_)) | None) => self.host.clock.sleep(REST).await,
                Err(_) => {}
            }
        }
    }

    async fn attempt(&self, replica: usize, key: String) -> Result<usize, String> {
        put(&mut Grpc::new(self.channels[replica].clone()), key).await.map(|()| replica)
    }
}
