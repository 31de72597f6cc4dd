use std::sync::Arc;

use navarch_proto::{api::HealthEventType, fleet};

use super::record::{RecordError, known};
use crate::{
    ids::NodeId,
    model::{NodeHistory, RememberedEvent, RuleRemark, RuleRemarkKey},
    text::{SharedTexts, stored},
    time::LogTime,
};

pub(super) fn to_history(node: &NodeId, history: &NodeHistory) -> fleet::NodeHistory {
    let event = |event: &RememberedEvent| fleet::RememberedEvent {
        event: Some(fleet::ReportedEvent {
            identity: event.identity,
            kind: event.kind.into(),
            code: event.code,
            gpu_index: event.gpu_index,
        }),
        at_ms: event.at.as_ms(),
    };
    fleet::NodeHistory {
        node_id: node.to_string(),
        revision: history.revision,
        events: history.events().iter().map(event).collect(),
    }
}

pub(super) fn from_history(
    record: &fleet::NodeHistory,
) -> Result<(NodeId, NodeHistory), RecordError> {
    let events: Result<Vec<_>, _> = record.events.iter().map(event).collect();
    let events = events?;
    if events.is_empty() || !events.is_sorted_by_key(|event| event.at) {
        return Err(RecordError::Other(format!(
            "the history of node {:?} is empty or out of order",
            record.node_id
        )));
    }
    Ok((NodeId::new(&record.node_id)?, NodeHistory::new(record.revision, events)))
}

fn event(record: &fleet::RememberedEvent) -> Result<RememberedEvent, RecordError> {
    let event = record.event.unwrap_or_default();
    Ok(RememberedEvent {
        at: LogTime::from_ms(record.at_ms),
        identity: event.identity,
        kind: known::<HealthEventType>("kind", event.kind)?,
        code: event.code,
        gpu_index: event.gpu_index,
    })
}

pub(super) fn to_remark(key: &RuleRemarkKey, remark: &RuleRemark) -> fleet::RuleRemarkRecord {
    fleet::RuleRemarkRecord {
        kind: key.kind.into(),
        rule: key.rule.to_string(),
        node_id: remark.node_id.to_string(),
        at_ms: remark.at.as_ms(),
        text: remark.text.to_string(),
    }
}

pub(super) fn from_remark(
    record: &fleet::RuleRemarkRecord,
    texts: &mut SharedTexts,
) -> Result<(RuleRemarkKey, RuleRemark), RecordError> {
    let kind = known("kind", record.kind)?;
    let node_id: Arc<str> = Arc::from(record.node_id.as_str());
    let key = RuleRemarkKey {
        kind,
        rule: texts.share(&record.rule),
        node_id: match kind {
            fleet::RuleRemarkKind::Failed => Arc::default(),
            fleet::RuleRemarkKind::Shadowed | fleet::RuleRemarkKind::Unspecified => {
                Arc::clone(&node_id)
            }
        },
    };
    let text = stored(&record.text, usize::MAX);
    Ok((key, RuleRemark { at: LogTime::from_ms(record.at_ms), node_id, text }))
}
