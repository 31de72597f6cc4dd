use std::sync::Arc;

use navarch_proto::fleet::{self, NodeRecord};

use super::record::{RecordError, known, optional_id, text_of};
use crate::{
    ids::{InstanceId, NodeId, NodeNumber, PoolName, Revision},
    model::{
        Administrative, Drain, EarlierRequest, EarlierRequests, Health, HealthFinding, LastSeen,
        Liveness, Loss, Node, inventory,
    },
    text::{SharedTexts, stored},
    time::{LogTime, ms_or_zero},
};

/// Texts of a record were cut when they were stored.
const ANY_LENGTH: usize = usize::MAX;

pub(super) fn to_record(node: &Node) -> NodeRecord {
    let (administrative, drain) = match node.administrative {
        Administrative::Active => (fleet::Administrative::Active, Drain::default()),
        Administrative::Cordoned => (fleet::Administrative::Cordoned, Drain::default()),
        Administrative::Draining(drain) => (fleet::Administrative::Draining, drain),
        Administrative::Terminated => (fleet::Administrative::Terminated, Drain::default()),
    };
    let loss = match &node.liveness {
        Liveness::Lost(loss) => Some(loss),
        Liveness::Beating => None,
    };
    NodeRecord {
        node_id: node.id.to_string(),
        number: node.number.0,
        provider: node.provider.to_string(),
        region: node.region.to_string(),
        zone: node.zone.to_string(),
        instance_type: node.instance_type.to_string(),
        inventory: node.inventory.to_vec().into(),
        pool: text_of(node.pool.as_ref()),
        incarnation: node.incarnation,
        revision: node.revision.0,
        registered_ms: node.registered_at.as_ms(),
        last_request_id: node.last_request_id.to_string(),
        earlier_requests: to_earlier(&node.earlier_requests),
        last_report_id: node.last_report_id.to_string(),
        earlier_reports: to_earlier(&node.earlier_reports),
        instance_id: text_of(node.instance_id.as_ref()),
        administrative: administrative.into(),
        administrative_reason: node.administrative_reason.to_string(),
        drained: drain.drained,
        drain_deadline_ms: ms_or_zero(drain.deadline),
        cordoned_before: drain.cordoned_before,
        drain_accepted: drain.accepted,
        drain_for_verdict: drain.for_verdict,
        health: node.health.verdict.into(),
        health_latched: node.health.latched,
        health_rule: node.health.rule.to_string(),
        health_reason: node.health.reason.to_string(),
        unhealthy_reports: node.health.unhealthy_reports,
        unhealthy_event_ms: ms_or_zero(node.health.unhealthy_event_at),
        deciding_event: node.health.event.as_deref().cloned(),
        also_found: node.health.also.iter().map(to_finding).collect(),
        health_latched_ms: ms_or_zero(node.health.latched_at),
        lost: loss.is_some(),
        lost_ms: loss.map_or(0, |loss| loss.at.as_ms()),
        lost_reason: loss.map(|loss| loss.reason.to_string()).unwrap_or_default(),
        lost_seen_ms: loss.map_or(0, |loss| ms_or_zero(loss.last_seen)),
    }
}

pub(super) fn from_record(
    record: &NodeRecord,
    texts: &mut SharedTexts,
) -> Result<Node, RecordError> {
    let inventory = inventory::unpack(&record.inventory)
        .map_err(|error| RecordError::Other(format!("inventory does not decode: {error}")))?;
    Ok(Node {
        id: NodeId::new(&record.node_id)?,
        number: NodeNumber(record.number),
        provider: texts.share(&record.provider),
        region: texts.share(&record.region),
        zone: texts.share(&record.zone),
        instance_type: texts.share(&record.instance_type),
        inventory: Arc::from(&*record.inventory),
        gpu_count: u32::try_from(inventory.gpus.len()).unwrap_or(u32::MAX),
        pool: optional_id(&record.pool, |name| PoolName::shared(texts.share(name)))?,
        instance_id: optional_id(&record.instance_id, InstanceId::new)?,
        incarnation: record.incarnation,
        revision: Revision(record.revision),
        registered_at: LogTime::from_ms(record.registered_ms),
        last_request_id: stored(&record.last_request_id, ANY_LENGTH),
        earlier_requests: from_earlier(&record.earlier_requests),
        last_report_id: stored(&record.last_report_id, ANY_LENGTH),
        earlier_reports: from_earlier(&record.earlier_reports),
        administrative: administrative(record)?,
        administrative_reason: stored(&record.administrative_reason, ANY_LENGTH),
        health: Health {
            verdict: known("health", record.health)?,
            latched: record.health_latched,
            rule: stored(&record.health_rule, ANY_LENGTH),
            reason: stored(&record.health_reason, ANY_LENGTH),
            event: record.deciding_event.clone().map(Arc::new),
            also: also(&record.also_found),
            unhealthy_reports: record.unhealthy_reports,
            unhealthy_event_at: LogTime::optional(record.unhealthy_event_ms),
            latched_at: LogTime::optional(record.health_latched_ms),
        },
        liveness: liveness(record),
    })
}

fn to_earlier(requests: &EarlierRequests) -> Vec<fleet::EarlierRequest> {
    let record = |earlier: &EarlierRequest| fleet::EarlierRequest {
        hash: earlier.hash,
        at_ms: earlier.at.as_ms(),
    };
    requests.iter().map(record).collect()
}

fn from_earlier(records: &[fleet::EarlierRequest]) -> EarlierRequests {
    let earlier = |record: &fleet::EarlierRequest| EarlierRequest {
        hash: record.hash,
        at: LogTime::from_ms(record.at_ms),
    };
    EarlierRequests::restored(records.iter().map(earlier).collect())
}

fn to_finding(finding: &HealthFinding) -> fleet::HealthFinding {
    fleet::HealthFinding {
        rule: finding.rule.to_string(),
        reason: finding.reason.to_string(),
        event: finding.event.as_deref().cloned(),
        at_ms: finding.at.as_ms(),
    }
}

fn also(findings: &[fleet::HealthFinding]) -> Arc<[HealthFinding]> {
    match findings {
        // Nearly all have none, and share it.
        [] => Arc::default(),
        findings => findings.iter().map(from_finding).collect(),
    }
}

fn from_finding(record: &fleet::HealthFinding) -> HealthFinding {
    HealthFinding {
        rule: stored(&record.rule, ANY_LENGTH),
        reason: stored(&record.reason, ANY_LENGTH),
        event: record.event.clone().map(Arc::new),
        at: LogTime::from_ms(record.at_ms),
    }
}

fn administrative(record: &NodeRecord) -> Result<Administrative, RecordError> {
    Ok(match known("administrative", record.administrative)? {
        fleet::Administrative::Active => Administrative::Active,
        fleet::Administrative::Cordoned => Administrative::Cordoned,
        fleet::Administrative::Draining => Administrative::Draining(Drain {
            deadline: LogTime::optional(record.drain_deadline_ms),
            cordoned_before: record.cordoned_before,
            accepted: record.drain_accepted,
            drained: record.drained,
            for_verdict: record.drain_for_verdict,
        }),
        fleet::Administrative::Terminated => Administrative::Terminated,
        fleet::Administrative::Unspecified => {
            return Err(RecordError::UnknownValue { field: "administrative", value: 0 });
        }
    })
}

fn liveness(record: &NodeRecord) -> Liveness {
    if !record.lost {
        return Liveness::Beating;
    }
    Liveness::Lost(Loss {
        at: LogTime::from_ms(record.lost_ms),
        last_seen: LogTime::optional(record.lost_seen_ms),
        reason: stored(&record.lost_reason, ANY_LENGTH),
    })
}

/// What stands for a utilisation that is not known.
const UNKNOWN_UTILIZATION: u32 = 255;

pub(super) fn to_last_seen(number: NodeNumber, seen: LastSeen) -> fleet::LastSeen {
    fleet::LastSeen {
        number: number.0,
        seen_ms: seen.at.as_ms(),
        utilization: seen.utilization.map_or(UNKNOWN_UTILIZATION, u32::from),
    }
}

pub(super) fn from_last_seen(record: fleet::LastSeen) -> (NodeNumber, LastSeen) {
    let utilization = u8::try_from(record.utilization).ok().filter(|percent| *percent <= 100);
    (NodeNumber(record.number), LastSeen { at: LogTime::from_ms(record.seen_ms), utilization })
}
