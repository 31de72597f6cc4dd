use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Spawner};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    FakeCloudError, FakeCloudOptions, Watcher,
    faults::{FaultPlan, Hit, Operation},
    inner::{Asked, Inner, Note, agent_note},
    ledger::{Change, Effect, LedgerClosed, LedgerFile, LedgerWriter},
};
use crate::provider::{
    InstanceType, Machine,
    fake::{AgentBooter, Filter, MachineHost, Ordered, Page, Refusal, SimulatedCloud, Terminated},
    timestamp::millis,
};

/// How a machine is killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kill {
    /// Its agent stops; the machine stays rented.
    #[default]
    Stays,
    /// The cloud takes it back.
    Terminates,
    /// It is gone without a trace.
    Vanishes,
}

/// Everything the fake cloud owns. What a request did is in the ledger before its caller is told.
pub(super) struct Estate {
    inner: Mutex<Inner>,
    writer: LedgerWriter,
    watcher: Option<Arc<dyn Watcher>>,
    host: MachineHost,
    pub(super) clock: Clock,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) stop: CancellationToken,
}

impl Estate {
    /// Opens the ledger and rebuilds everything from it.
    pub(super) fn open(
        options: &FakeCloudOptions,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        booter: Arc<dyn AgentBooter>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, FakeCloudError> {
        let mut inner = Inner::new(options.cloud.clone());
        let mut silent = HashSet::new();
        let (file, replay) =
            LedgerFile::open(&options.ledger, |line| inner.replay(line, &mut silent))?;
        let machines = inner.cloud.live(inner.at_ms).count();
        tracing::info!(
            ledger = %options.ledger.display(),
            lines = replay.last_seq,
            torn_bytes = replay.torn_bytes,
            machines,
            "ledger read"
        );
        let writer = LedgerWriter::start(file, &*spawner)?;
        let estate = Arc::new(Self {
            host: MachineHost::new(clock.clone(), Arc::clone(&spawner), booter),
            inner: Mutex::new(inner),
            writer,
            watcher: options.watcher.clone(),
            clock,
            spawner,
            stop,
        });
        estate.resume(&silent);
        Ok(estate)
    }

    /// Switches on what was on, and waits for what was delayed.
    fn resume(self: &Arc<Self>, silent: &HashSet<String>) {
        let mut inner = self.lock();
        let now_ms = inner.advance(&self.clock);
        let live: Vec<Machine> = inner.cloud.live(now_ms).collect();
        for machine in live.iter().filter(|machine| !silent.contains(&machine.id)) {
            self.power_on(&inner.cloud, &machine.id, now_ms);
        }
        for (key, delayed) in inner.delayed.clone() {
            self.schedule(key, delayed, now_ms);
        }
    }

    fn power_on(&self, cloud: &SimulatedCloud, id: &str, now_ms: u64) {
        let up_ms = cloud.running_from_ms(id).unwrap_or(now_ms).max(now_ms);
        if let Some(machine) = cloud.get(id, up_ms) {
            let delay = Duration::from_millis(up_ms - now_ms);
            self.host.power_on(machine, delay);
        }
    }

    /// Makes a change and its line as one. Cancelling the caller leaves both or neither.
    pub(super) async fn record<T>(
        &self,
        asked: &Asked,
        act: impl FnOnce(&mut Inner, u64) -> (T, Note),
    ) -> Result<T, LedgerClosed> {
        let slot = self.writer.slot().await?;
        let (result, written) = {
            let mut inner = self.lock();
            let now_ms = inner.advance(&self.clock);
            let (result, note) = act(&mut inner, now_ms);
            if let (Some(watcher), Some(change)) = (&self.watcher, &note.change) {
                watcher.changed(change, now_ms);
            }
            (result, slot.send(inner.line(asked, note)))
        };
        written.wait().await?;
        Ok(result)
    }

    /// Carries an order out.
    pub(super) async fn order(
        &self,
        asked: &Asked,
        body: &[u8],
    ) -> Result<Result<Ordered, Refusal>, LedgerClosed> {
        self.record(asked, |inner, now_ms| self.order_now(inner, asked, body, now_ms)).await
    }

    fn order_now(
        &self,
        inner: &mut Inner,
        asked: &Asked,
        body: &[u8],
        now_ms: u64,
    ) -> (Result<Ordered, Refusal>, Note) {
        let key = asked.key.clone().unwrap_or_default();
        let result = inner.cloud.order(&key, body, now_ms);
        let was_delayed = inner.delayed.remove(&key).is_some();
        let mut note = Note::default();
        match &result {
            Ok(ordered) => {
                let id = &ordered.machine.id;
                note.instance_id = Some(id.clone());
                if ordered.created {
                    self.power_on(&inner.cloud, id, now_ms);
                    note.effect = Effect::Created;
                    note.change = inner
                        .cloud
                        .record(id)
                        .map(|(machine, body)| Change::Bought { machine: Box::new(machine), body });
                }
            }
            Err(_) if was_delayed => note.change = Some(Change::Dropped { key }),
            Err(_) => {}
        }
        (result, note)
    }

    /// Gives a machine back.
    pub(super) async fn terminate(
        &self,
        asked: &Asked,
        id: &str,
    ) -> Result<Terminated, LedgerClosed> {
        self.record(asked, |inner, now_ms| self.end_now(inner, id, now_ms, false)).await
    }

    fn end_now(
        &self,
        inner: &mut Inner,
        id: &str,
        now_ms: u64,
        vanish: bool,
    ) -> (Terminated, Note) {
        let ended =
            if vanish { inner.cloud.vanish(id, now_ms) } else { inner.cloud.terminate(id, now_ms) };
        let mut note = Note::default();
        match &ended {
            Terminated::Now(machine) | Terminated::Before(machine) => {
                self.host.power_off(id);
                note.key = Some(machine.idempotency_key.clone());
                let ends = matches!(ended, Terminated::Now(_));
                if ends {
                    note.effect = Effect::Terminated;
                }
                if ends || vanish {
                    note.change = Some(Change::Ended { id: id.to_owned(), vanished: vanish });
                }
            }
            Terminated::Unknown => {}
        }
        (ended, note)
    }

    /// Kills a machine or its agent. The machine, or `None` if there is none of that id.
    pub(super) async fn kill(
        &self,
        asked: &Asked,
        id: &str,
        kill: Kill,
    ) -> Result<Option<Machine>, LedgerClosed> {
        self.record(asked, |inner, now_ms| match kill {
            Kill::Terminates | Kill::Vanishes => {
                let vanish = kill == Kill::Vanishes;
                let (ended, note) = self.end_now(inner, id, now_ms, vanish);
                match ended {
                    Terminated::Now(machine) | Terminated::Before(machine) => (Some(machine), note),
                    Terminated::Unknown => (None, note),
                }
            }
            Kill::Stays => {
                let machine = inner.cloud.get(id, now_ms);
                let off = machine.is_some() && self.host.power_off(id);
                (machine, agent_note(id, off, false))
            }
        })
        .await
    }

    /// Boots the agent of a live machine again. The machine, whatever its state, or `None`.
    pub(super) async fn revive(
        &self,
        asked: &Asked,
        id: &str,
    ) -> Result<Option<Machine>, LedgerClosed> {
        self.record(asked, |inner, now_ms| {
            let machine = inner.cloud.get(id, now_ms);
            let live = machine.as_ref().is_some_and(|machine| machine.state.is_live());
            if live {
                self.power_on(&inner.cloud, id, now_ms);
            }
            (machine, agent_note(id, live, true))
        })
        .await
    }

    /// Reads a machine.
    pub(super) async fn get(
        &self,
        asked: &Asked,
        id: &str,
    ) -> Result<Option<Machine>, LedgerClosed> {
        self.record(asked, |inner, now_ms| {
            let machine = inner.cloud.get(id, now_ms);
            let note = Note {
                key: machine.as_ref().map(|machine| machine.idempotency_key.clone()),
                ..Note::default()
            };
            (machine, note)
        })
        .await
    }

    /// Lists machines as they were `ago`.
    pub(super) async fn list(
        &self,
        asked: &Asked,
        filter: &Filter,
        ago: Duration,
    ) -> Result<Page, LedgerClosed> {
        self.record(asked, |inner, now_ms| {
            let page = inner.cloud.list(filter, now_ms.saturating_sub(millis(ago)));
            (page, Note::default())
        })
        .await
    }

    /// What can be rented; a type whose capacity is rented out is not available.
    pub(super) async fn types(&self, asked: &Asked) -> Result<Vec<InstanceType>, LedgerClosed> {
        self.record(asked, |inner, _| (inner.cloud.types(), Note::default())).await
    }

    /// Records a request that did nothing.
    pub(super) async fn note(&self, asked: &Asked) -> Result<(), LedgerClosed> {
        self.record(asked, |_, _| ((), Note::default())).await
    }

    /// Whether a machine was bought under `key`, or will be: whoever asks again hears of that one.
    pub(super) fn has_sold(&self, key: &str) -> bool {
        let inner = self.lock();
        inner.cloud.knows(key) || inner.delayed.contains_key(key)
    }

    /// Whether there is a machine of that id to be seen.
    pub(super) fn shows(&self, id: &str) -> bool {
        self.lock().cloud.get(id, self.clock.wall_ms()).is_some()
    }

    /// Whether the agent of a live machine runs or boots; none: there is no such machine.
    pub(super) fn is_on(&self, id: &str) -> Option<bool> {
        let machine = self.lock().cloud.get(id, self.clock.wall_ms())?;
        machine.state.is_live().then(|| self.host.is_on(id))
    }

    /// What hits the next request.
    pub(super) fn meet(&self, operation: Operation) -> Hit {
        self.lock().faults.next(operation)
    }

    /// Puts a checked plan in force.
    pub(super) fn set_faults(&self, plan: FaultPlan) {
        self.lock().faults.set(plan);
    }

    /// The plan in force.
    pub(super) fn faults(&self) -> FaultPlan {
        self.lock().faults.plan().clone()
    }

    /// The ledger's end.
    pub(super) fn writer(&self) -> &LedgerWriter {
        &self.writer
    }

    /// What waits are measured by.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Pulls every plug, without a word to the ledger: the machines stay rented.
    pub(super) fn power_off_all(&self) {
        self.host.power_off_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
