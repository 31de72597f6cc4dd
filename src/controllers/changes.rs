//! Fleet events as observers are told them.

use navarch_fleet::{EventKind, FleetState};
use navarch_proto::{api::FleetEvent, timestamp::to_unix_ms};

use crate::notify::{HealthTransition, InstanceFailure};

/// The failure of a machine that never registered, as events call it.
const STALE: &str = "stale";

/// The node that an event happened to.
pub(super) fn node_of(event: &FleetEvent) -> Option<&str> {
    event.subject.strip_prefix("node/")
}

/// When an event happened, in milliseconds since the Unix epoch.
pub(super) fn time_ms(event: &FleetEvent) -> u64 {
    event.time.as_ref().map_or(0, to_unix_ms)
}

/// What an event made of a field; none: it did not change.
pub(super) fn after<'a>(event: &'a FleetEvent, field: &str) -> Option<&'a str> {
    let change = event.changes.iter().find(|change| change.field == field)?;
    Some(&change.after)
}

/// The change of a node's health that an event tells of, if it does: by a report, or by an operator who
/// cleared a verdict. A node that is lost keeps its health.
pub(super) fn health_transition(
    event: &FleetEvent,
    fleet: &FleetState,
) -> Option<HealthTransition> {
    let node_id = node_of(event)?;
    let health = event.changes.iter().find(|change| change.field == "health")?;
    // A rule that decided before as well is no change; the record has it.
    let same_rule = || fleet.node(node_id).map_or("", |node| &node.health.rule);
    Some(HealthTransition {
        event_index: event.index,
        node_id: node_id.to_owned(),
        from: health.before.clone(),
        to: health.after.clone(),
        rule: after(event, "rule").unwrap_or_else(same_rule).to_owned(),
        reason: event.reason.clone(),
        at_ms: time_ms(event),
    })
}

/// The failure of an instance that an event tells of, if it does.
pub(super) fn instance_failure(event: &FleetEvent, fleet: &FleetState) -> Option<InstanceFailure> {
    if event.kind != EventKind::InstanceFailed.as_str() {
        return None;
    }
    let instance_id = event.subject.strip_prefix("instance/")?;
    let instance = fleet.instance(instance_id);
    let provider_ref = instance.and_then(|one| one.provider_ref.as_ref());
    Some(InstanceFailure {
        event_index: event.index,
        instance_id: instance_id.to_owned(),
        pool: instance.map_or_else(String::new, |one| one.pool.to_string()),
        provider_ref: provider_ref.map_or_else(String::new, ToString::to_string),
        failure: after(event, "failure").unwrap_or_default().to_owned(),
        reason: event.reason.clone(),
        at_ms: time_ms(event),
    })
}

/// Whether the machine was bought and never registered.
pub(super) fn is_stale(failure: &InstanceFailure) -> bool {
    failure.failure == STALE
}

#[cfg(test)]
mod tests {
    use navarch_proto::{
        api::HealthStatus,
        fleet::{DeclareLost, proposal::Kind},
    };

    use super::*;
    use crate::controllers::testing::{World, pool};

    /// Without it an observer would be told of what is no change of health, or not which rule decided.
    #[tokio::test(flavor = "current_thread")]
    async fn only_changes_of_health_are_transitions() {
        let world = World::new(vec![pool("a", 0, 5)]);
        world.running("i1", "a");
        world.report("m-i1", HealthStatus::Unhealthy, HealthStatus::Unknown);
        // Latched: the verdict changes, the rule stays.
        world.report("m-i1", HealthStatus::Healthy, HealthStatus::Unknown);
        world.accept(Kind::DeclareLost(DeclareLost {
            node_id: "m-i1".to_owned(),
            node_revision: world.node("m-i1").revision.0,
            ..DeclareLost::default()
        }));
        let fleet = world.fleet();
        let told: Vec<HealthTransition> = fleet
            .events_since(0, usize::MAX)
            .filter_map(|event| health_transition(event, &fleet))
            .collect();
        let words: Vec<_> =
            told.iter().map(|one| (one.from.as_str(), one.to.as_str(), one.at_ms)).collect();
        let now_ms = world.now_ms();
        let expected = [("unknown", "unhealthy", now_ms), ("unhealthy", "healthy", now_ms)];
        assert_eq!(words, expected);
        let failures = fleet.events_since(0, usize::MAX);
        assert_eq!(failures.filter_map(|event| instance_failure(event, &fleet)).count(), 0);
    }

    /// Without it the same rule at work twice in a row would be told as none.
    #[tokio::test(flavor = "current_thread")]
    async fn a_rule_that_did_not_change_is_the_records() {
        let world = World::new(vec![pool("a", 0, 5)]);
        world.running("i1", "a");
        let verdict = |verdict: HealthStatus| {
            Kind::RecordVerdict(navarch_proto::fleet::RecordVerdict {
                node_id: "m-i1".to_owned(),
                verdict: verdict.into(),
                rule: "thermal".to_owned(),
                policy_revision: world.fleet().policy_revision(),
                node_incarnation: world.node("m-i1").incarnation,
                ..Default::default()
            })
        };
        world.accept(verdict(HealthStatus::Degraded));
        world.accept(verdict(HealthStatus::Unhealthy));
        let fleet = world.fleet();
        let all = fleet.events_since(0, usize::MAX);
        let told = all.filter_map(|event| health_transition(event, &fleet));
        assert_eq!(told.map(|one| one.rule).collect::<Vec<_>>(), ["thermal"; 2]);
    }
}
