use std::{
    process,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::uri::PathAndQuery;
use prost::Message as _;
use tonic::{Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use super::{
    group::connect,
    messages::{PutRequest, PutResponse},
};
use crate::{error::ChaosError, host::Host};

const PUT: &str = "/etcdserverpb.KV/Put";

/// Size of a put, bytes: that of the writes of `navarch bench writes`.
const SIZE: usize = 256;

/// Clients that share a connection, and connections at most: as `navarch bench` has it.
const CLIENTS_PER_CONNECTION: usize = 64;
const MAX_CONNECTIONS: usize = 8;

/// A closed loop of puts.
#[derive(Clone, Copy, Debug)]
pub struct Puts {
    /// Clients, each of which puts again once it is answered.
    pub clients: usize,
    /// For how long.
    pub duration: Duration,
}

/// What came of a loop.
#[derive(Clone, Debug, Default)]
pub struct PutsFound {
    /// How long each answered put took.
    pub latencies: Vec<Duration>,
    /// Why puts failed.
    pub failures: Vec<String>,
    /// From the first put to the last answer.
    pub took: Duration,
}

impl Puts {
    /// Puts distinct keys at the replica at `address`, `host:port`.
    ///
    /// # Errors
    ///
    /// If it cannot be connected to.
    pub async fn run(self, host: &Host, address: &str) -> Result<PutsFound, ChaosError> {
        let connections = self.clients.div_ceil(CLIENTS_PER_CONNECTION).clamp(1, MAX_CONNECTIONS);
        let mut channels = Vec::new();
        for _ in 0..connections {
            let channel = connect(address).await;
            let failed = |problem| ChaosError::Tool { program: "etcd".to_owned(), problem };
            channels.push(channel.map_err(failed)?);
        }
        let found = Arc::<Mutex<PutsFound>>::default();
        let run = format!("{:x}-{:x}", host.clock.wall_ms(), process::id());
        let started = host.clock.now();
        let end = started + self.duration;
        let workers = (0..self.clients).map(|worker| {
            let (host, found, run) = (host.clone(), Arc::clone(&found), run.clone());
            let mut grpc = Grpc::new(channels[worker % connections].clone());
            host.clone().spawner.spawn("puts", async move {
                for count in 0_u64.. {
                    let begun = host.clock.now();
                    if begun >= end {
                        return;
                    }
                    let result = put(&mut grpc, format!("chaos-{run}-{worker}-{count}")).await;
                    let took = host.clock.now().since(begun);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(()) => found.latencies.push(took),
                        Err(error) => found.failures.push(error),
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.join().await;
        }
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.took = host.clock.now().since(started);
        Ok(std::mem::take(&mut *found))
    }
}

/// One put.
pub(super) async fn put(grpc: &mut Grpc<Channel>, key: String) -> Result<(), String> {
    grpc.ready().await.map_err(|error| error.to_string())?;
    let codec = ProstCodec::<PutRequest, PutResponse>::default();
    let path = PathAndQuery::from_static(PUT);
    let answer = grpc.unary(Request::new(request(key)), path, codec).await;
    answer.map(drop).map_err(|status| status.to_string())
}

/// A put of [`SIZE`] bytes.
fn request(key: String) -> PutRequest {
    let mut put = PutRequest { key: key.into_bytes(), value: Vec::new() };
    // The tag of the value and its length, which outgrows one byte.
    let missing = SIZE.saturating_sub(put.encoded_len() + 3);
    put.value = vec![b'x'; missing];
    put
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the two sides of the comparison would write unequal amounts.
    #[test]
    fn a_put_is_256_bytes() {
        for key in ["chaos-0-0-0", "chaos-19a3b4c5d6e-1a2b-255-100000"] {
            assert_eq!(request(key.to_owned()).encoded_len(), SIZE);
        }
    }
}
