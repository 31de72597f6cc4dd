use std::time::Duration;

use async_trait::async_trait;
use navarch::{
    fake_cloud::faults::{FaultKind, Operation},
    provider::{InstanceType, Machine, Order, Provider, ProviderError, Termination},
};
use navarch_host::Clock;

use super::market::{Asker, Market};

/// How long a request that nobody answers is waited for, as the HTTP provider does.
const PATIENCE: Duration = Duration::from_secs(10);

/// A replica's way to the cloud.
pub(in crate::sim) struct Access {
    pub(in crate::sim) market: Market,
    /// The replica's number and name.
    pub(in crate::sim) replica: (usize, String),
    pub(in crate::sim) clock: Clock,
}

/// What a request met on its way.
struct Met {
    faults: Vec<(FaultKind, u64)>,
    operation: Operation,
}

impl Met {
    fn get(&self, kind: FaultKind) -> Option<u64> {
        self.faults.iter().find(|(met, _)| *met == kind).map(|(_, ms)| *ms)
    }

    /// As the HTTP provider concludes: what asked for a change may have taken effect, a question has no answer.
    fn unanswered(&self, why: &str) -> ProviderError {
        match self.operation {
            Operation::Order | Operation::Terminate => ProviderError::Ambiguous(why.to_owned()),
            Operation::List | Operation::Get | Operation::Types => {
                ProviderError::Unanswered(why.to_owned())
            }
        }
    }

    fn has(&self, kind: FaultKind) -> bool {
        self.get(kind).is_some()
    }
}

impl Access {
    /// On the way to the cloud: time passes, and what goes wrong before any effect goes wrong.
    async fn set_out(&self, operation: Operation) -> Result<Met, ProviderError> {
        if !self.market.reaches(self.replica.0) {
            self.clock.sleep(PATIENCE).await;
            return Err(ProviderError::Unreachable("no route to the cloud".to_owned()));
        }
        self.market.note(format_args!("{} asks {operation:?}", self.replica.1));
        let (met, takes) = self.market.meets(|kind| kind.applies_to(operation));
        let met = Met { faults: met, operation };
        let slow = Duration::from_millis(met.get(FaultKind::Slow).unwrap_or(0));
        self.clock.sleep(takes + slow).await;
        if let Some(ms) = met.get(FaultKind::RateLimited) {
            let retry_after = Duration::from_millis(ms);
            return Err(ProviderError::RateLimited { message: "fault".to_owned(), retry_after });
        }
        if met.has(FaultKind::ErrorBefore) {
            return Err(met.unanswered("500 internal error"));
        }
        Ok(met)
    }

    /// On the way back: the effect is there, and its answer may not be.
    async fn come_back<T>(&self, met: &Met, answer: T) -> Result<T, ProviderError> {
        if met.has(FaultKind::ErrorAfter) {
            return Err(met.unanswered("500 internal error"));
        }
        let lost = met.get(FaultKind::SuccessThenTimeout);
        if let Some(ms) = lost {
            self.clock.sleep(Duration::from_millis(ms)).await;
        }
        if lost.is_some() || !self.market.reaches(self.replica.0) {
            return Err(met.unanswered("the connection was closed without an answer"));
        }
        Ok(answer)
    }

    fn asker(&self, session: u64) -> Asker<'_> {
        Asker { replica: &self.replica.1, session }
    }
}

#[async_trait]
impl Provider for Access {
    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError> {
        let met = self.set_out(Operation::Order).await?;
        if met.has(FaultKind::NoCapacity) && !self.market.has_sold(&order.instance_id) {
            return Err(ProviderError::Capacity("fault: no capacity".to_owned()));
        }
        if let Some(ms) = met.get(FaultKind::DelayedCommit) {
            self.market.order_later(&order.instance_id, &order.request_body, ms);
            return Err(met.unanswered("500 internal error"));
        }
        let machine =
            self.market.order(self.asker(session), &order.instance_id, &order.request_body)?;
        self.come_back(&met, machine).await
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        let met = self.set_out(Operation::Get).await?;
        if met.has(FaultKind::Spurious404) {
            return Ok(None);
        }
        self.come_back(&met, self.market.get(provider_ref)).await
    }

    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let met = self.set_out(Operation::List).await?;
        let ago_ms = met.get(FaultKind::StaleList).unwrap_or(0);
        self.come_back(&met, self.market.list(label, ago_ms)).await
    }

    async fn terminate(
        &self,
        provider_ref: &str,
        session: u64,
    ) -> Result<Termination, ProviderError> {
        let met = self.set_out(Operation::Terminate).await?;
        if met.has(FaultKind::Spurious404) {
            return Ok(Termination::NeverExisted);
        }
        let ended = self.market.terminate(self.asker(session), provider_ref);
        self.come_back(&met, ended).await
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        let met = self.set_out(Operation::Types).await?;
        self.come_back(&met, self.market.types()).await
    }
}
