use std::{collections::BTreeMap, sync::Arc};

use navarch_proto::fleet::{Accepted, ClearRuleVerdicts};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::PoolName,
    limits::{MAX_CLEARED, MAX_REASON_BYTES},
    model::{Administrative, AdministrativeStep, Node, verdict_word},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Rules that a refusal names.
const NAMED: usize = 10;

/// Clears together the latched verdicts that one rule or check decided, because the rule was wrong or its cause is
/// gone. A drain that was begun for the verdict is cancelled with it; what people decided about the nodes stays.
pub(super) fn apply(
    proposal: &ClearRuleVerdicts,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    if proposal.rule.is_empty() {
        return Err(Refusal::invalid("the rule is empty; name the rule or check that decided"));
    }
    if proposal.reason.is_empty() {
        return Err(Refusal::invalid("the reason is empty; say why the verdicts are to go"));
    }
    if !proposal.pool.is_empty() && state.nodes.count_in_pool(&proposal.pool) == 0 {
        // A pool that there is, and that has no nodes, has no verdicts either.
        shared::pool(state, &PoolName::new(&proposal.pool)?.to_string())?;
    }
    let decided = state.standing_verdicts(&proposal.rule, &proposal.pool);
    let decided: Vec<Arc<Node>> = decided.take(MAX_CLEARED).cloned().collect();
    if decided.is_empty() {
        return Err(none_decided(proposal, state));
    }
    for node in &decided {
        clear(state, context, node, proposal);
    }
    Ok(Accepted { count: decided.len() as u64, ..Accepted::default() })
}

fn clear(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node: &Node,
    proposal: &ClearRuleVerdicts,
) {
    let reason = proposal.reason.as_str();
    let health = node.health.cleared_of(&proposal.rule);
    let next = match health.latched {
        // By another rule it is to go all the same.
        true => node.administrative,
        // Refused for any drain but one that was begun for the verdict.
        false => node
            .administrative
            .next(AdministrativeStep::CallOffDrain)
            .unwrap_or(node.administrative),
    };
    state.nodes.update(node.id.as_str(), |record| {
        record.health = health.clone();
        if record.administrative != next {
            record.administrative = next;
            record.administrative_reason = stored(reason, MAX_REASON_BYTES);
        }
    });
    let kind = match node.administrative {
        // One that takes work again is told to the workload system.
        Administrative::Draining(_) if next == Administrative::Active => EventKind::NodeUncordoned,
        _ => EventKind::NodeHealthChanged,
    };
    let event = Event::new(kind, Subject::Node(node.id.as_str()))
        .reason(reason)
        .change("administrative", node.administrative, next)
        .change("health", verdict_word(node.health.verdict), verdict_word(health.verdict))
        .change("latched", node.health.latched, health.latched)
        .change("rule", &node.health.rule, &health.rule)
        .change("also", node.health.also_line(), health.also_line());
    context.emit(shared::with_status_change(event, state, node));
}

/// What does decide, so that a misspelt rule is found.
fn none_decided(proposal: &ClearRuleVerdicts, state: &FleetState) -> Refusal {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for node in state.nodes.wanting_attention().filter(|node| node.health.latched) {
        for rule in node.health.standing_rules() {
            *rules.entry(rule).or_default() += 1;
        }
    }
    let known: Vec<String> =
        rules.iter().take(NAMED).map(|(rule, count)| format!("{rule} ({count} nodes)")).collect();
    let known = match known.is_empty() {
        true => "no node has an unhealthy verdict".to_owned(),
        false => format!("those that stand are by {}", known.join(", ")),
    };
    let within = match proposal.pool.as_str() {
        "" => String::new(),
        pool => format!(" in pool {pool}"),
    };
    Refusal::not_found(format!(
        "no unhealthy verdict{within} stands by rule {:?}; {known}",
        proposal.rule
    ))
}
