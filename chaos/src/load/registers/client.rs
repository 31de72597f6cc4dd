use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use navarch::client::{
    CallError, CallOptions,
    rpc::{ApplyFleet, GetPool, ScalePool},
};
use navarch_proto::api;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::{
    fleet::{Register, RegisterFleet},
    workload::RegisterClients,
};
use crate::{
    history::{Operation, Value},
    host::Host,
    load::Scribe,
};

/// Limit of a write. Far above any failover: what has no answer by then may take effect at any later time.
const WRITE_LIMIT: Duration = Duration::from_secs(25);
/// Limit of a read: the replica may be down.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// Every so many calls of a register's first client it reads alone, so that the history can be searched in parts.
const ALONE_EVERY: u64 = 200;

/// One of the clients of a register, one call after the other.
pub(super) struct RegisterClient {
    pub(super) host: Host,
    pub(super) clients: RegisterClients,
    pub(super) fleet: RegisterFleet,
    pub(super) register: Register,
    pub(super) scribe: Scribe,
    /// Writes of the register so far, by all of its clients.
    pub(super) writes: Arc<AtomicU64>,
    /// Held by each call of the register's clients, by one that reads alone for itself.
    pub(super) calls: Arc<RwLock<()>>,
    /// Which of the register's clients it is.
    pub(super) number: usize,
    /// Between two calls.
    pub(super) pause: Duration,
}

impl RegisterClient {
    /// Writes and reads until `stop`: two reads follow each write, each of another replica.
    pub(super) async fn run(self, stop: CancellationToken) {
        for turn in 0_u64.. {
            if stop.is_cancelled() {
                return;
            }
            if self.number == 0 && turn % ALONE_EVERY == ALONE_EVERY - 1 {
                let _alone = self.calls.write().await;
                self.read(turn).await;
            } else {
                let _shared = self.calls.read().await;
                match turn % 3 {
                    0 => self.write().await,
                    _ => self.read(turn).await,
                }
            }
            self.host.clock.sleep(self.pause).await;
        }
    }

    async fn write(&self) {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let (key, value) = (self.register.key(), self.register.value(number));
        let call = self.scribe.asks(Operation::Write { key, value });
        let told = self.set(value).await;
        self.scribe.is_told(call, told.as_ref().map(|index| (None, *index)));
    }

    /// Answers the index that the answer reflects.
    async fn set(&self, value: u64) -> Result<Option<u64>, CallError> {
        let (client, options) = (&self.clients.all, CallOptions::within(WRITE_LIMIT));
        match self.register {
            Register::Target(_) => {
                let request = api::ScalePoolRequest {
                    name: self.register.pool(),
                    nodes: u32::try_from(value).unwrap_or(u32::MAX),
                    hold_ms: None,
                };
                client.call::<ScalePool>(request, &options).await.map(|told| told.applied_index)
            }
            Register::Spec => {
                let yaml = self.fleet.yaml(value);
                let request = api::ApplyFleetRequest { yaml, ..Default::default() };
                client.call::<ApplyFleet>(request, &options).await.map(|told| told.applied_index)
            }
        }
    }

    async fn read(&self, turn: u64) {
        let replicas = self.clients.each.len().max(1);
        let turn = usize::try_from(turn).unwrap_or(0).wrapping_add(self.number);
        let client = self.clients.each.get(turn % replicas).unwrap_or(&self.clients.all);
        let call = self.scribe.asks(Operation::Read { key: self.register.key() });
        let request = api::GetPoolRequest { name: self.register.pool() };
        let told = client.call::<GetPool>(request, &CallOptions::within(READ_LIMIT)).await;
        let told = told.as_ref().map(|answer| {
            let pool = answer.message.pool.as_ref();
            let value = pool.map(|pool| match self.register {
                Register::Target(_) => u64::from(pool.target),
                Register::Spec => u64::from(pool.max_nodes),
            });
            (Some(Value::Register(value)), answer.applied_index)
        });
        self.scribe.is_told(call, told);
    }
}
