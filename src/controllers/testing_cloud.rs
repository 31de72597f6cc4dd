//! A cloud that answers as it is told.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use async_trait::async_trait;
use navarch_host::Clock;

use crate::provider::{
    InstanceType, Machine, MachineState, Order, Provider, ProviderError, Termination,
};

/// A cloud that keeps a list of calls and answers them as it is told; else as a cloud would that boots and
/// ends machines at once.
pub(super) struct ScriptedCloud {
    clock: Clock,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    calls: Vec<Call>,
    orders: VecDeque<OrderAnswer>,
    ends: VecDeque<Result<Termination, ProviderError>>,
    sights: VecDeque<Option<MachineState>>,
    listing: Option<Vec<Machine>>,
    offers: Vec<InstanceType>,
    forgets_orders: bool,
}

/// A call that came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Order(Order),
    Terminate(String),
    Get(String),
}

/// How an order is answered.
pub(super) enum OrderAnswer {
    Sold(MachineState),
    Refused(ProviderError),
    /// After this long.
    Late(Duration),
}

impl ScriptedCloud {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, script: Mutex::default() }
    }

    pub(super) fn answer_orders(&self, answers: impl IntoIterator<Item = OrderAnswer>) {
        self.script.lock().unwrap().orders.extend(answers);
    }

    pub(super) fn answer_ends(
        &self,
        answers: impl IntoIterator<Item = Result<Termination, ProviderError>>,
    ) {
        self.script.lock().unwrap().ends.extend(answers);
    }

    pub(super) fn answer_sights(&self, answers: impl IntoIterator<Item = Option<MachineState>>) {
        self.script.lock().unwrap().sights.extend(answers);
    }

    /// What is offered from now on: the type that tests order.
    pub(super) fn offer(&self, price_per_hour: f64, available: bool) {
        let name = "h100-8x";
        let json = serde_json::json!({ "name": name, "price_per_hour": price_per_hour, "available": available });
        self.script.lock().unwrap().offers = vec![serde_json::from_value(json).unwrap()];
    }

    /// What is listed from now on.
    pub(super) fn list_from_now(&self, machines: Vec<Machine>) {
        self.script.lock().unwrap().listing = Some(machines);
    }

    /// From now on it is a cloud that knows no idempotency keys.
    pub(super) fn forget_orders(&self) {
        self.script.lock().unwrap().forgets_orders = true;
    }

    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.script.lock().unwrap().calls)
    }
}

pub(super) fn machine(id: &str, state: MachineState) -> Machine {
    serde_json::from_value(serde_json::json!({ "id": id, "state": state })).unwrap()
}

#[async_trait]
impl Provider for ScriptedCloud {
    fn remembers_orders(&self) -> bool {
        !self.script.lock().unwrap().forgets_orders
    }

    async fn order(&self, order: &Order, _: u64) -> Result<Machine, ProviderError> {
        let answer = {
            let mut script = self.script.lock().unwrap();
            script.calls.push(Call::Order(order.clone()));
            script.orders.pop_front()
        };
        let state = match answer {
            None => MachineState::Provisioning,
            Some(OrderAnswer::Sold(state)) => state,
            Some(OrderAnswer::Refused(error)) => return Err(error),
            Some(OrderAnswer::Late(delay)) => {
                self.clock.sleep(delay).await;
                MachineState::Provisioning
            }
        };
        Ok(machine(&format!("m-{}", order.instance_id), state))
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        let mut script = self.script.lock().unwrap();
        script.calls.push(Call::Get(provider_ref.to_owned()));
        let sight = script.sights.pop_front().unwrap_or(Some(MachineState::Terminated));
        Ok(sight.map(|state| machine(provider_ref, state)))
    }

    async fn list(&self, _: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let listing = self.script.lock().unwrap().listing.clone();
        listing.ok_or_else(|| ProviderError::Unanswered("no listing is scripted".to_owned()))
    }

    async fn terminate(&self, provider_ref: &str, _: u64) -> Result<Termination, ProviderError> {
        let mut script = self.script.lock().unwrap();
        script.calls.push(Call::Terminate(provider_ref.to_owned()));
        script.ends.pop_front().unwrap_or(Ok(Termination::Accepted))
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        Ok(self.script.lock().unwrap().offers.clone())
    }
}
