use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use navarch::{
    fake_cloud::{
        faults::FaultKind,
        ledger::{Effect, LedgerEntry},
    },
    provider::{
        Machine, MachineState, ProviderError, Termination,
        fake::{AgentBooter, AgentHandle, CloudOptions, Filter, SimulatedCloud, Terminated},
        labels,
    },
};
use navarch_host::Chance;

use super::super::trace::{Trace, now};
use crate::report::millis_of;

/// Simulated time begins here: 2026-01-01, milliseconds since the Unix epoch.
pub(in crate::sim) const EPOCH_MS: u64 = 1_767_225_600_000;

/// The share of machines taken away that nothing is shown of afterwards.
const VANISHING: f64 = 0.25;

/// What requests meet: kind, share of requests, milliseconds.
pub(in crate::sim) type Weather = Vec<(FaultKind, f64, u64)>;

/// The machines that there are, and the ledger of every one that was bought and ended: the truth of a run.
#[derive(Clone)]
pub(in crate::sim) struct Market {
    inner: Arc<Mutex<Inner>>,
    trace: Trace,
}

struct Inner {
    cloud: SimulatedCloud,
    chance: Chance,
    weather: Weather,
    /// Replicas that do not reach it.
    cut_off: BTreeSet<usize>,
    ledger: Vec<LedgerEntry>,
    live_by_pool: BTreeMap<String, u32>,
    /// Machines whose agent is to boot, and when; milliseconds since the Unix epoch.
    booting: BTreeMap<String, u64>,
    agents: BTreeMap<String, AgentHandle>,
    /// Orders that take effect later: key to time and body.
    delayed: BTreeMap<String, (u64, Bytes)>,
}

/// Who asks for what.
#[derive(Clone, Copy)]
pub(in crate::sim) struct Asker<'a> {
    pub(in crate::sim) replica: &'a str,
    pub(in crate::sim) session: u64,
}

/// Wall-clock time as it really is, milliseconds since the Unix epoch.
pub(in crate::sim) fn now_ms() -> u64 {
    EPOCH_MS + millis_of(now())
}

impl Market {
    /// A cloud without machines.
    pub(in crate::sim) fn new(chance: Chance, trace: Trace) -> Self {
        let delay = Duration::from_millis(500);
        let options =
            CloudOptions { boot_delay: delay, shutdown_delay: delay, ..CloudOptions::default() };
        let inner = Inner {
            cloud: SimulatedCloud::new(options),
            chance,
            weather: Vec::new(),
            cut_off: BTreeSet::new(),
            ledger: Vec::new(),
            live_by_pool: BTreeMap::new(),
            booting: BTreeMap::new(),
            agents: BTreeMap::new(),
            delayed: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), trace }
    }

    /// Has requests meet `weather` from now on.
    pub(in crate::sim) fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// Has a replica reach it or not.
    pub(in crate::sim) fn cut_off(&self, replica: usize, cut_off: bool) {
        let mut inner = self.lock();
        match cut_off {
            true => inner.cut_off.insert(replica),
            false => inner.cut_off.remove(&replica),
        };
    }

    /// Has something in the trace.
    pub(super) fn note(&self, what: fmt::Arguments<'_>) {
        self.trace.note(what);
    }

    pub(super) fn reaches(&self, replica: usize) -> bool {
        !self.lock().cut_off.contains(&replica)
    }

    /// What a request meets: faults that apply to it, with their milliseconds; and how long it takes anyway.
    pub(super) fn meets(
        &self,
        applies: impl Fn(FaultKind) -> bool,
    ) -> (Vec<(FaultKind, u64)>, Duration) {
        let inner = self.lock();
        let takes =
            Duration::from_millis(5) + Duration::from_millis(95).mul_f64(inner.chance.share());
        let drawn = inner
            .weather
            .iter()
            .filter(|(kind, share, _)| applies(*kind) && inner.chance.share() < *share);
        (drawn.map(|(kind, _, ms)| (*kind, *ms)).collect(), takes)
    }

    /// Buys a machine, or answers the one that was bought under the key.
    pub(super) fn order(
        &self,
        asker: Asker<'_>,
        key: &str,
        body: &Bytes,
    ) -> Result<Machine, ProviderError> {
        let mut inner = self.lock();
        inner.delayed.remove(key);
        let ordered = inner.cloud.order(key, body, now_ms())?;
        if ordered.created {
            inner.bought(&ordered.machine, asker);
            self.trace.tell(format_args!(
                "{} buys {} in session {}",
                asker.replica, ordered.machine.id, asker.session
            ));
        }
        Ok(ordered.machine)
    }

    /// Whether a machine was bought under `key`, or will be.
    pub(super) fn has_sold(&self, key: &str) -> bool {
        let inner = self.lock();
        inner.cloud.knows(key) || inner.delayed.contains_key(key)
    }

    /// Has an order take effect later.
    pub(super) fn order_later(&self, key: &str, body: &Bytes, after_ms: u64) {
        self.lock().delayed.insert(key.to_owned(), (now_ms() + after_ms, body.clone()));
    }

    /// Gives a machine back.
    pub(super) fn terminate(&self, asker: Asker<'_>, id: &str) -> Termination {
        let mut inner = self.lock();
        match inner.cloud.terminate(id, now_ms()) {
            Terminated::Now(machine) => {
                inner.ended(&machine, "DELETE", asker);
                self.trace
                    .tell(format_args!("{} ends {id} in session {}", asker.replica, asker.session));
                Termination::Accepted
            }
            Terminated::Before(machine) if machine.state == MachineState::Terminated => {
                Termination::Gone
            }
            Terminated::Before(_) => Termination::Accepted,
            Terminated::Unknown => Termination::NeverExisted,
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Machine> {
        self.lock().cloud.get(id, now_ms())
    }

    /// Machines with a label, as they were so long ago.
    pub(super) fn list(&self, label: (&str, &str), ago_ms: u64) -> Vec<Machine> {
        let labels = vec![(label.0.to_owned(), label.1.to_owned())];
        let filter = Filter { labels, after: None, limit: usize::MAX };
        self.lock().cloud.list(&filter, now_ms().saturating_sub(ago_ms)).machines
    }

    pub(super) fn types(&self) -> Vec<navarch::provider::InstanceType> {
        self.lock().cloud.types()
    }

    /// Takes a machine away, as a provider does: nobody asked for it. Some show it as terminated for a while; of others
    /// it vanishes, which is believed only after a minute.
    pub(in crate::sim) fn take_away(&self, id: &str) {
        let mut inner = self.lock();
        let ended = match inner.chance.share() < VANISHING {
            true => inner.cloud.vanish(id, now_ms()),
            false => inner.cloud.terminate(id, now_ms()),
        };
        if let Terminated::Now(machine) = ended {
            inner.ended(&machine, "POST", Asker { replica: "", session: 0 });
            self.trace.tell(format_args!("the cloud takes {id} away"));
        }
    }

    /// Pulls the plug of a machine's agent.
    pub(in crate::sim) fn silence(&self, id: &str) -> bool {
        let silenced = self.lock().agents.remove(id).is_some();
        if silenced {
            self.trace.tell(format_args!("the agent of {id} falls silent"));
        }
        silenced
    }

    /// Boots the agent of a live machine again.
    pub(in crate::sim) fn revive(&self, id: &str) {
        let mut inner = self.lock();
        let live = inner.cloud.get(id, now_ms()).is_some_and(|machine| machine.state.is_live());
        if live && !inner.agents.contains_key(id) {
            inner.booting.insert(id.to_owned(), now_ms());
        }
    }

    /// Boots the agents that are due, and has delayed orders take effect. To be called every few milliseconds.
    pub(in crate::sim) fn tend(&self, booter: &dyn AgentBooter) {
        let now_ms = now_ms();
        let mut inner = self.lock();
        for key in due(&inner.delayed, |(at, _)| *at <= now_ms) {
            let Some((_, body)) = inner.delayed.remove(&key) else { continue };
            if let Ok(ordered) = inner.cloud.order(&key, &body, now_ms)
                && ordered.created
            {
                inner.bought(&ordered.machine, Asker { replica: "delayed", session: 0 });
                self.trace.tell(format_args!("a delayed order buys {}", ordered.machine.id));
            }
        }
        for id in due(&inner.booting, |at| *at <= now_ms) {
            inner.booting.remove(&id);
            let machine = inner.cloud.get(&id, now_ms);
            if let Some(machine) = machine.filter(|machine| machine.state.is_live()) {
                let agent = booter.boot(&machine);
                inner.agents.insert(id, agent);
            }
        }
    }

    /// Machines that are bought and not given back: ids, with their pool.
    pub(in crate::sim) fn live(&self) -> BTreeMap<String, String> {
        let inner = self.lock();
        let live = inner.cloud.live(now_ms());
        let pool =
            |machine: &Machine| machine.labels.get(labels::POOL).cloned().unwrap_or_default();
        live.filter(|machine| machine.state.is_live())
            .map(|machine| (machine.id.clone(), pool(&machine)))
            .collect()
    }

    /// Machines whose agent runs.
    pub(in crate::sim) fn powered(&self) -> Vec<String> {
        self.lock().agents.keys().cloned().collect()
    }

    /// The ledger so far.
    pub(in crate::sim) fn ledger(&self) -> Vec<LedgerEntry> {
        self.lock().ledger.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn due<T>(waiting: &BTreeMap<String, T>, is_due: impl Fn(&T) -> bool) -> Vec<String> {
    waiting.iter().filter(|(_, one)| is_due(one)).map(|(key, _)| key.clone()).collect()
}

impl Inner {
    fn bought(&mut self, machine: &Machine, asker: Asker<'_>) {
        let up_ms = self.cloud.running_from_ms(&machine.id).unwrap_or_else(now_ms);
        self.booting.insert(machine.id.clone(), up_ms);
        *self.live_by_pool.entry(pool_of(machine)).or_default() += 1;
        self.enter(machine, ("POST", Effect::Created), asker);
    }

    fn ended(&mut self, machine: &Machine, method: &str, asker: Asker<'_>) {
        self.booting.remove(&machine.id);
        self.agents.remove(&machine.id);
        if let Some(live) = self.live_by_pool.get_mut(&pool_of(machine)) {
            *live -= 1;
        }
        self.enter(machine, (method, Effect::Terminated), asker);
    }

    fn enter(&mut self, machine: &Machine, (method, effect): (&str, Effect), asker: Asker<'_>) {
        self.ledger.push(LedgerEntry {
            seq: self.ledger.len() as u64 + 1,
            at_ms: now_ms(),
            method: method.to_owned(),
            session: (asker.session > 0).then_some(asker.session),
            idempotency_key: Some(machine.idempotency_key.clone()),
            instance_id: Some(machine.id.clone()),
            effect,
            live_by_pool: self.live_by_pool.clone(),
            caller: asker.replica.to_owned(),
        });
    }
}

fn pool_of(machine: &Machine) -> String {
    machine.labels.get(labels::POOL).cloned().unwrap_or_default()
}
