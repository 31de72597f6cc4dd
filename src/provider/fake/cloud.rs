use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use serde_json::Value;

use super::{
    answers::{Filter, Ordered, Page, Terminated},
    droughts::Droughts,
    options::CloudOptions,
    refusal::Refusal,
    rented::Rented,
};
use crate::provider::{InstanceType, Machine, MachineState, OrderSpec, labels};

/// Longest idempotency key, in bytes.
const KEY_LIMIT: usize = 256;

/// Which machines exist, and every order that ever made one.
///
/// Pure: time is an argument (milliseconds since the Unix epoch), and what a machine is like at a time is
/// computed from when it was bought and given back, so that a question about the past has an answer too.
/// Records of terminated machines are kept for ever: their keys must never buy again.
#[derive(Debug)]
pub struct SimulatedCloud {
    options: CloudOptions,
    droughts: Droughts,
    /// By machine id.
    rented: BTreeMap<String, Rented>,
    /// Idempotency key to machine id.
    by_key: HashMap<String, String>,
    live_by_pool: BTreeMap<String, u32>,
    live_by_type: HashMap<String, u32>,
    live: usize,
}

impl SimulatedCloud {
    /// A cloud with no machines.
    pub fn new(options: CloudOptions) -> Self {
        Self {
            options,
            droughts: Droughts::default(),
            rented: BTreeMap::new(),
            by_key: HashMap::new(),
            live_by_pool: BTreeMap::new(),
            live_by_type: HashMap::new(),
            live: 0,
        }
    }

    /// How it behaves.
    pub fn options(&self) -> &CloudOptions {
        &self.options
    }

    /// Begins or ends a drought, of one type or of all: nothing new of it is sold. The end of one of all ends every
    /// other.
    pub fn set_drought(&mut self, instance_type: Option<&str>, dry: bool) {
        self.droughts.set(instance_type, dry);
    }

    /// Buys a machine under `key`, or answers the one that was bought under it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; nothing was changed.
    pub fn order(&mut self, key: &str, body: &[u8], now_ms: u64) -> Result<Ordered, Refusal> {
        if key.is_empty() || key.len() > KEY_LIMIT {
            return Err(Refusal::Invalid(format!(
                "the idempotency key must have 1 to {KEY_LIMIT} bytes, it has {}",
                key.len()
            )));
        }
        let body = serde_json::from_slice::<Value>(body);
        if let Some(machine) = self.ordered_before(key, body.as_ref().ok(), now_ms)? {
            return Ok(Ordered { machine, created: false });
        }
        let body = body.map_err(|error| Refusal::Invalid(format!("not JSON: {error}")))?;
        let spec: OrderSpec = serde_json::from_value(body.clone())
            .map_err(|error| Refusal::Invalid(format!("not an order: {error}")))?;
        self.admit(&spec)?;
        let machine = self.build(key, spec, now_ms);
        let id = machine.id.clone();
        self.restore(machine, body);
        self.bought(&id, now_ms)
    }

    fn bought(&self, id: &str, now_ms: u64) -> Result<Ordered, Refusal> {
        let machine = self.rented.get(id).and_then(|one| one.seen(&self.options, now_ms));
        machine
            .map(|machine| Ordered { machine, created: true })
            .ok_or_else(|| Refusal::Invalid(format!("machine {id:?} was not kept")))
    }

    /// The machine of an earlier order under `key`. A dead machine is answered too, and one that vanished
    /// shows as terminated: the key never buys again.
    fn ordered_before(
        &self,
        key: &str,
        body: Option<&Value>,
        now_ms: u64,
    ) -> Result<Option<Machine>, Refusal> {
        let Some(rented) = self.by_key.get(key).and_then(|id| self.rented.get(id)) else {
            return Ok(None);
        };
        if body == Some(&rented.body) {
            Ok(Some(rented.shown(&self.options, now_ms)))
        } else {
            Err(Refusal::Mismatch(key.to_owned()))
        }
    }

    fn admit(&self, spec: &OrderSpec) -> Result<(), Refusal> {
        let instance_type = &spec.instance_type;
        let known = self.options.types.iter().find(|one| one.name == *instance_type);
        if instance_type.is_empty() || (known.is_none() && self.options.known_types_only) {
            return Err(Refusal::Invalid(format!("there is no instance type {instance_type:?}")));
        }
        let regions = known.map_or(&[][..], |one| &one.regions);
        if !regions.is_empty() && !spec.region.is_empty() && !regions.contains(&spec.region) {
            return Err(Refusal::Invalid(format!(
                "{instance_type:?} is not to be had in region {:?}",
                spec.region
            )));
        }
        if self.droughts.cover(instance_type) {
            return Err(Refusal::SoldOut(instance_type.clone()));
        }
        let live = self.live_by_type.get(instance_type).copied().unwrap_or(0);
        if let Some(&capacity) = self.options.capacity.get(instance_type)
            && live >= capacity
        {
            return Err(Refusal::NoCapacity { instance_type: instance_type.clone(), capacity });
        }
        if self.live >= self.options.quota {
            return Err(Refusal::Quota(self.options.quota));
        }
        Ok(())
    }

    /// The id and the address come from the key alone, so that a cloud that starts anew and is asked the
    /// same again answers the same.
    fn build(&self, key: &str, spec: OrderSpec, now_ms: u64) -> Machine {
        let digest = blake3::hash(key.as_bytes());
        let bytes = digest.as_bytes();
        let known = self.options.types.iter().find(|one| one.name == spec.instance_type);
        Machine {
            id: format!("m-{}", &digest.to_hex()[..16]),
            name: spec.name,
            idempotency_key: key.to_owned(),
            instance_type: spec.instance_type,
            region: spec.region,
            zone: spec.zone,
            state: MachineState::Running,
            ip: Some(format!("10.{}.{}.{}", bytes[8], bytes[9], bytes[10])),
            ssh_port: Some(22),
            gpu_count: known.map_or(self.options.default_gpu_count, |one| one.gpu_count),
            gpu_type: known.map_or_else(|| "simulated".to_owned(), |one| one.gpu_type.clone()),
            price_per_hour: known.map_or(1.0, |one| one.price_per_hour),
            labels: spec.labels,
            created_at_ms: Some(now_ms),
            terminated_at_ms: None,
        }
    }

    /// What [`SimulatedCloud::restore`] needs to know of a machine, for a ledger to keep.
    pub fn record(&self, id: &str) -> Option<(Machine, Value)> {
        self.rented.get(id).map(|one| (one.machine.clone(), one.body.clone()))
    }

    /// Takes over a machine that was bought earlier, with the body that bought it, as
    /// [`SimulatedCloud::record`] told. A key that is known already stays as it is.
    pub fn restore(&mut self, machine: Machine, body: Value) {
        let key = machine.idempotency_key.clone();
        if self.by_key.contains_key(&key) {
            return;
        }
        let created_ms = machine.created_at_ms.unwrap_or(0);
        self.count(&machine, true);
        self.by_key.insert(key, machine.id.clone());
        let rented = Rented { machine, body, created_ms, ended_ms: None, vanished: false };
        self.rented.insert(rented.machine.id.clone(), rented);
    }

    /// Whether a machine was ever bought under `key`.
    pub fn knows(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// What can be rented; a type of which every machine is rented out, or that is sold out, is not available.
    pub fn types(&self) -> Vec<InstanceType> {
        let rented_out = |name: &str| {
            let live = self.live_by_type.get(name).copied().unwrap_or(0);
            self.options.capacity.get(name).is_some_and(|&capacity| live >= capacity)
        };
        let types = self.options.types.iter().cloned();
        types
            .map(|one| {
                let sold_out = rented_out(&one.name) || self.droughts.cover(&one.name);
                InstanceType { available: one.available && !sold_out, ..one }
            })
            .collect()
    }

    /// The machine of that id as it is at `at_ms`.
    pub fn get(&self, id: &str, at_ms: u64) -> Option<Machine> {
        self.rented.get(id).and_then(|one| one.seen(&self.options, at_ms))
    }

    /// When the machine of that id becomes `running`.
    pub fn running_from_ms(&self, id: &str) -> Option<u64> {
        self.rented.get(id).map(|one| one.running_from_ms(&self.options))
    }

    /// The machines there were at `at_ms`, in parts.
    pub fn list(&self, filter: &Filter, at_ms: u64) -> Page {
        let after = match &filter.after {
            Some(id) => Bound::Excluded(id.clone()),
            None => Bound::Unbounded,
        };
        let mut matching = self
            .rented
            .range((after, Bound::Unbounded))
            .filter(|(_, one)| one.carries(&filter.labels))
            .filter(|(_, one)| !one.long_gone(&self.options, at_ms))
            .filter_map(|(_, one)| one.seen(&self.options, at_ms));
        let machines: Vec<Machine> = matching.by_ref().take(filter.limit.max(1)).collect();
        let more = matching.next().is_some();
        let last = machines.last().map(|machine| machine.id.clone());
        Page { machines, next: last.filter(|_| more) }
    }

    /// Gives a machine back.
    pub fn terminate(&mut self, id: &str, now_ms: u64) -> Terminated {
        self.end(id, now_ms, false)
    }

    /// Makes a machine disappear as if it had never been, except to its idempotency key.
    pub fn vanish(&mut self, id: &str, now_ms: u64) -> Terminated {
        self.end(id, now_ms, true)
    }

    fn end(&mut self, id: &str, now_ms: u64, vanish: bool) -> Terminated {
        let Some(rented) = self.rented.get_mut(id).filter(|one| !one.vanished) else {
            return Terminated::Unknown;
        };
        rented.vanished = vanish;
        let before = rented.ended_ms.is_some();
        if !before {
            rented.ended_ms = Some(now_ms);
            let machine = rented.machine.clone();
            self.count(&machine, false);
        }
        let Some(machine) = self.rented.get(id).map(|one| one.shown(&self.options, now_ms)) else {
            return Terminated::Unknown;
        };
        if before { Terminated::Before(machine) } else { Terminated::Now(machine) }
    }

    /// How many machines are live in each pool that has any; machines without a pool count under "".
    pub fn live_by_pool(&self) -> &BTreeMap<String, u32> {
        &self.live_by_pool
    }

    /// Every machine that has not been given back, as it is at `at_ms`.
    pub fn live(&self, at_ms: u64) -> impl Iterator<Item = Machine> + '_ {
        self.rented
            .values()
            .filter(|one| one.ended_ms.is_none())
            .map(move |one| one.shown(&self.options, at_ms))
    }

    fn count(&mut self, machine: &Machine, came: bool) {
        let pool = machine.labels.get(labels::POOL).cloned().unwrap_or_default();
        let of_pool = self.live_by_pool.entry(pool.clone()).or_default();
        let of_type = self.live_by_type.entry(machine.instance_type.clone()).or_default();
        if came {
            *of_pool += 1;
            *of_type += 1;
            self.live += 1;
        } else {
            *of_pool = of_pool.saturating_sub(1);
            *of_type = of_type.saturating_sub(1);
            self.live = self.live.saturating_sub(1);
        }
        if *of_pool == 0 {
            self.live_by_pool.remove(&pool);
        }
    }
}
