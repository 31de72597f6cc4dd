use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use navarch_fleet::FleetState;

use super::{
    Figure, Figures, MetricsSource, Question, Reading, Round, histories::Histories, means::Means,
};
use crate::{
    liveness::Liveness,
    scaling::{Autoscalers, Sample},
};

/// The mean GPU utilisation of a pool's nodes that are in service, one sample a moment for the whole pool.
///
/// It survives a failover as far as the digests in the log go. Every replica applies them and can therefore take
/// the samples itself, see [`Heartbeats::follow`]: a new leader has the figure of the last digest at once, and
/// the history that it took as a follower, which lags by the digests' five seconds.
#[derive(Debug)]
pub struct Heartbeats {
    liveness: Arc<Liveness>,
    histories: Histories,
    /// Of the pass that is under way.
    means: Mutex<Means>,
}

impl Heartbeats {
    /// The figures of those heartbeats.
    pub fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness, histories: Histories::default(), means: Mutex::default() }
    }

    /// Takes a sample of each pool whose strategy looks back, as a replica that does not lead: by the digests. What it
    /// heard in a session of its own is older than what the log holds.
    pub fn follow(&self, fleet: &FleetState, autoscalers: &Autoscalers) {
        let now_ms = fleet.log_time_ms();
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
        let pools: Vec<_> = specs.iter().filter(|pool| autoscalers.needs(pool).history).collect();
        let means = Means::of(Round { fleet, pools: &pools, now_ms }, None);
        for pool in &pools {
            if let Some(reading) = means.get(pool) {
                let question = Question { fleet, pool, needs: autoscalers.needs(pool), now_ms };
                self.history(question, reading);
            }
        }
    }

    /// Takes a mean in, and answers what came before it.
    fn history(&self, question: Question<'_>, mean: Reading<f64>) -> Vec<Sample> {
        let sample = Sample { at_ms: question.now_ms, utilization: mean.value };
        // A pass that an event woke comes between two samples.
        let rest_ms = question.fleet.settings().autoscale_interval_ms / 2;
        self.histories.note(&question.pool.name, sample, rest_ms)
    }

    fn mean(&self, Question { fleet, pool, now_ms, .. }: Question<'_>) -> Option<Reading<f64>> {
        let prepared = self.means.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared.include(pool, now_ms) {
            return prepared.get(pool);
        }
        Means::of(Round { fleet, pools: &[pool], now_ms }, Some(&self.liveness)).get(pool)
    }
}

#[async_trait]
impl MetricsSource for Heartbeats {
    fn name(&self) -> &'static str {
        "heartbeats"
    }

    fn prepare(&self, round: Round<'_>) {
        let means = Means::of(round, Some(&self.liveness));
        *self.means.lock().unwrap_or_else(PoisonError::into_inner) = means;
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        if !question.needs.utilization {
            return Figures::default();
        }
        match self.mean(question) {
            Some(reading) => {
                let looks_back = question.needs.history;
                let history = looks_back.then(|| self.history(question, reading));
                let history = history.unwrap_or_default();
                Figures { utilization: Figure::Known(reading), history, ..Figures::default() }
            }
            None => Figures {
                utilization: Figure::missing("no node in service told any lately"),
                ..Figures::default()
            },
        }
    }
}
