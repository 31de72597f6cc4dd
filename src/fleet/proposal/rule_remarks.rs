//! What rules on trial would have done, and rules that could not be evaluated: in the journal once an hour.

use std::sync::Arc;

use navarch_proto::fleet::{RuleRemark as Remark, RuleRemarkKind};

use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::{MAX_REASON_BYTES, MAX_RULE_REMARKS, RETAIN_RULE_REMARKS_MS},
    model::{Node, RuleRemark, RuleRemarkKey},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// That apply knows what is remarked, and of which rule.
pub(super) fn check(remarks: &[Remark]) -> Result<(), Refusal> {
    for remark in remarks {
        crate::ids::check_text("rule", &remark.rule).map_err(Refusal::from)?;
        match RuleRemarkKind::try_from(remark.kind) {
            Ok(RuleRemarkKind::Shadowed | RuleRemarkKind::Failed) => {}
            Ok(RuleRemarkKind::Unspecified) | Err(_) => {
                return Err(Refusal::invalid(format!(
                    "{} is no kind of remark on rule {:?}; give 1 or 2",
                    remark.kind, remark.rule
                )));
            }
        }
    }
    Ok(())
}

/// Journals the remarks that were not made within the last hour.
pub(super) fn make(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node: &Node,
    remarks: &[Remark],
) {
    for remark in remarks {
        let kind = remark.kind();
        let node_id = Arc::from(node.id.as_str());
        let key = RuleRemarkKey {
            kind,
            rule: state.texts.share(&remark.rule),
            node_id: if is_failure(kind) { Arc::default() } else { Arc::clone(&node_id) },
        };
        if state.has_rule_remark(&key, context.now) {
            continue;
        }
        // There are few rules, but many nodes.
        if !is_failure(kind) && state.rule_remarks.len() >= MAX_RULE_REMARKS {
            drop_expired(state, context, MAX_RULE_REMARKS);
            if state.rule_remarks.len() >= MAX_RULE_REMARKS {
                continue;
            }
        }
        context.emit(event(kind, remark, node));
        let text = stored(&remark.text, MAX_REASON_BYTES);
        state.rule_remarks.insert(key, RuleRemark { at: context.now, node_id, text });
    }
}

fn event(kind: RuleRemarkKind, remark: &Remark, node: &Node) -> Event {
    if is_failure(kind) {
        return Event::new(EventKind::HealthRuleFailed, Subject::Rule(&remark.rule))
            .reason(&format!("{} (of node {})", remark.text, node.id));
    }
    Event::new(EventKind::HealthRuleShadowed, Subject::Node(node.id.as_str()))
        .reason(&remark.text)
        .change("rule", "", &remark.rule)
}

fn is_failure(kind: RuleRemarkKind) -> bool {
    kind == RuleRemarkKind::Failed
}

/// Forgets remarks that may be made again; answers how many.
pub(super) fn drop_expired(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let due: Vec<RuleRemarkKey> = state
        .rule_remarks
        .iter()
        .filter(|(_, made)| made.at.plus_ms(RETAIN_RULE_REMARKS_MS) <= context.now)
        .take(limit)
        .map(|(key, _)| key.clone())
        .collect();
    for key in &due {
        state.rule_remarks.remove(key);
    }
    due.len()
}
