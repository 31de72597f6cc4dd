use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use navarch_host::panic_message;
use navarch_proto::fleet::PoolSpec;

use super::{
    Autoscaler, Decision, Gates, Needs, OwnNameError, PoolView, check_own_name,
    own_name::own_name_of, plan_target,
};

/// Which autoscaler each pool goes by: the configured strategy, unless the program that embeds the control plane
/// brought its own along for that pool.
#[derive(Clone, Default)]
pub struct Autoscalers(Arc<BTreeMap<String, Own>>);

impl Autoscalers {
    /// Those of the program, by the pool whose configured strategy each takes the place of.
    ///
    /// # Errors
    ///
    /// If a name cannot be one of a program's own.
    pub fn new(own: BTreeMap<String, Arc<dyn Autoscaler>>) -> Result<Self, OwnNameError> {
        let own = own.into_iter().map(|(pool, autoscaler)| Ok((pool, Own::new(autoscaler)?)));
        Ok(Self(Arc::new(own.collect::<Result<_, _>>()?)))
    }

    /// The figures that the pool's autoscaler goes by.
    pub fn needs(&self, pool: &PoolSpec) -> Needs {
        self.of(pool).needs()
    }

    /// The target that the pool should have now. Where it was the program's own autoscaler that was asked, the
    /// reason begins with its name.
    pub fn plan(&self, pool: &PoolSpec, view: &PoolView, gates: Gates) -> Decision {
        let mut decision = plan_target(self.of(pool), view, gates);
        if let Some(name) = self.own_name(&pool.name) {
            decision.reason = format!("{name}: {}", decision.reason);
        }
        decision
    }

    /// Whether nobody makes decisions for the pool, so that only its limits hold.
    pub fn know_limits_alone(&self, pool: &PoolSpec) -> bool {
        let strategy =
            pool.autoscaling.as_ref().and_then(|autoscaling| autoscaling.strategy.as_ref());
        strategy.is_none() && !self.0.contains_key(&pool.name)
    }

    /// Who makes decisions for the pool, if it is one of the program's own.
    pub fn own_name(&self, pool: &str) -> Option<&str> {
        self.0.get(pool).map(|own| own.name.as_str())
    }

    /// Whose own autoscaler made the decision with that reason, if it was one.
    pub fn author(reason: &str) -> Option<&str> {
        own_name_of(reason)
    }

    fn of<'a>(&'a self, pool: &'a PoolSpec) -> &'a dyn Autoscaler {
        match self.0.get(&pool.name) {
            Some(own) => own,
            None => &pool.autoscaling,
        }
    }
}

impl fmt::Debug for Autoscalers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.iter().map(|(pool, own)| (pool, &own.name));
        formatter.debug_map().entries(named).finish()
    }
}

/// Somebody else's autoscaler, of whom nothing is taken for granted: it may panic, or claim what it may not.
struct Own {
    name: String,
    needs: Needs,
    autoscaler: Arc<dyn Autoscaler>,
}

impl Own {
    fn new(autoscaler: Arc<dyn Autoscaler>) -> Result<Self, OwnNameError> {
        let (name, needs) = (autoscaler.name().to_owned(), autoscaler.needs());
        check_own_name("autoscaler", &name)?;
        Ok(Self { name, needs, autoscaler })
    }
}

impl Autoscaler for Own {
    fn name(&self) -> &str {
        &self.name
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn decide(&self, view: &PoolView) -> Decision {
        match catch_unwind(AssertUnwindSafe(|| self.autoscaler.decide(view))) {
            Ok(decision) => decision.bounded(view),
            Err(panic) => {
                Decision::no_data(view, &format!("it panicked, {}", panic_message(&*panic)))
            }
        }
    }
}

#[cfg(test)]
#[path = "autoscalers_test.rs"]
mod tests;
