use std::sync::Arc;

use async_trait::async_trait;
use navarch_fleet::{Administrative, FleetState, Node};
use navarch_proto::api::HealthStatus;

use super::{Figure, Figures, MetricsSource, Question, Reading, histories::Histories};
use crate::{
    liveness::{self, Liveness, UTILIZATION_UNKNOWN},
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
}

/// Whether a node counts: people want it at work, and it is heard and not unhealthy.
pub fn in_service(node: &Node) -> bool {
    let wanted = match node.administrative {
        Administrative::Active | Administrative::Cordoned => true,
        Administrative::Draining(_) | Administrative::Terminated => false,
    };
    wanted && !node.is_lost() && node.health_status() != HealthStatus::Unhealthy
}

impl Heartbeats {
    /// The figures of those heartbeats.
    pub fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness, histories: Histories::default() }
    }

    /// Takes a sample of each pool whose strategy looks back, as a replica that does not lead: by the digests.
    pub fn follow(&self, fleet: &FleetState, autoscalers: &Autoscalers) {
        let now_ms = fleet.log_time_ms();
        for pool in fleet.spec().map_or(&[][..], |spec| &spec.pools) {
            let needs = autoscalers.needs(pool);
            if needs.history {
                // What it heard in a session of its own is older than what the log holds.
                let _ = self.look(Question { fleet, pool, needs, now_ms }, None);
            }
        }
    }

    fn look(
        &self,
        question: Question<'_>,
        heard: Option<&Liveness>,
    ) -> Option<(Reading<f64>, Vec<Sample>)> {
        let Question { fleet, pool, needs, now_ms } = question;
        let reading = mean(question, heard)?;
        let history = if needs.history {
            let sample = Sample { at_ms: now_ms, utilization: reading.value };
            // A pass that an event woke comes between two samples.
            let rest_ms = fleet.settings().autoscale_interval_ms / 2;
            self.histories.note(&pool.name, sample, rest_ms)
        } else {
            Vec::new()
        };
        Some((reading, history))
    }
}

/// The mean over the nodes that told it lately, as old as the oldest of those beats. Machines of others say
/// nothing of ours, and what was heard too long ago nothing about now.
fn mean(question: Question<'_>, heard: Option<&Liveness>) -> Option<Reading<f64>> {
    let (mut sum, mut count, mut oldest_ms) = (0.0, 0_u32, question.now_ms);
    for node in question.fleet.nodes_in_pool(&question.pool.name) {
        if node.instance_id.is_none() || !in_service(node) {
            continue;
        }
        let Some(beat) = last_beat(question, node, heard) else { continue };
        sum += f64::from(beat.value);
        count += 1;
        oldest_ms = oldest_ms.min(beat.at_ms);
    }
    (count > 0).then(|| Reading { value: sum / f64::from(count), at_ms: oldest_ms })
}

/// A node's utilisation in percent, if it was told lately. What the session has not heard yet the log may know,
/// so that a new leader does not start blind.
fn last_beat(question: Question<'_>, node: &Node, heard: Option<&Liveness>) -> Option<Reading<u8>> {
    let beat = heard.map(|liveness| liveness.of(node.number)).unwrap_or_default();
    let (at_ms, percent) = match beat.seen_ms {
        0 => {
            let seen = question.fleet.last_seen(node.number)?;
            (seen.at.as_ms(), seen.utilization)
        }
        at_ms => (at_ms, (beat.utilization != UTILIZATION_UNKNOWN).then_some(beat.utilization)),
    };
    let fresh_ms = liveness::timeout_ms(question.fleet.settings(), beat.told_interval_ms);
    let is_fresh = at_ms.saturating_add(fresh_ms) >= question.now_ms;
    let value = percent.filter(|_| is_fresh)?;
    Some(Reading { value, at_ms })
}

#[async_trait]
impl MetricsSource for Heartbeats {
    fn name(&self) -> &'static str {
        "heartbeats"
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        if !question.needs.utilization {
            return Figures::default();
        }
        match self.look(question, Some(&self.liveness)) {
            Some((reading, history)) => {
                Figures { utilization: Figure::Known(reading), history, ..Figures::default() }
            }
            None => Figures {
                utilization: Figure::missing("no node in service told any lately"),
                ..Figures::default()
            },
        }
    }
}
