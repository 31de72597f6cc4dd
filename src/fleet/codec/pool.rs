use std::sync::Arc;

use navarch_proto::fleet::{PoolMetricsRecord, PoolState, ToldCount, ToldPercent};

use super::record::RecordError;
use crate::{
    ids::{PoolName, Revision},
    model::{Cooldown, Pool, PoolMetrics, Told},
    text::stored,
    time::{LogTime, ms_or_zero},
};

pub(super) fn to_record(pool: &Pool) -> PoolState {
    let (cooldown_until_ms, scale_up_after_ms, scale_down_after_ms) = pool.cooldown.to_record();
    PoolState {
        name: pool.name.to_string(),
        target: pool.target,
        revision: pool.revision.0,
        reason: pool.reason.to_string(),
        held_reason: pool.held_reason.to_string(),
        replacement_held: pool.replacement_held.to_string(),
        paused: pool.paused,
        decision: pool.decision.as_deref().cloned(),
        cooldown_until_ms,
        scale_up_after_ms,
        scale_down_after_ms,
        hold_until_ms: ms_or_zero(pool.hold_until),
        choices: pool.choices,
        replaced_ms: pool.replaced_at.iter().map(|at| at.as_ms()).collect(),
    }
}

pub(super) fn from_record(record: &PoolState) -> Result<Pool, RecordError> {
    Ok(Pool {
        name: PoolName::new(&record.name)?,
        target: record.target,
        revision: Revision(record.revision),
        reason: stored(&record.reason, usize::MAX),
        held_reason: stored(&record.held_reason, usize::MAX),
        replacement_held: stored(&record.replacement_held, usize::MAX),
        paused: record.paused,
        decision: record.decision.clone().map(Arc::new),
        cooldown: Cooldown::from_record((
            record.cooldown_until_ms,
            record.scale_up_after_ms,
            record.scale_down_after_ms,
        )),
        hold_until: LogTime::optional(record.hold_until_ms),
        choices: record.choices,
        replaced_at: record.replaced_ms.iter().copied().map(LogTime::from_ms).collect(),
    })
}

pub(super) fn to_metrics(pool: &PoolName, metrics: &PoolMetrics) -> PoolMetricsRecord {
    let count = |told: Option<Told<u32>>| {
        told.map(|Told { value, at, until }| ToldCount {
            value,
            at_ms: at.as_ms(),
            until_ms: until.as_ms(),
        })
    };
    let percent = |Told { value, at, until }: Told<f64>| ToldPercent {
        value,
        at_ms: at.as_ms(),
        until_ms: until.as_ms(),
    };
    PoolMetricsRecord {
        pool: pool.to_string(),
        pending_jobs: count(metrics.pending_jobs),
        queue_depth: count(metrics.queue_depth),
        utilization: metrics.utilization.map(percent),
    }
}

pub(super) fn from_metrics(
    record: &PoolMetricsRecord,
) -> Result<(PoolName, PoolMetrics), RecordError> {
    let count = |told: Option<ToldCount>| {
        told.map(|ToldCount { value, at_ms, until_ms }| told_at(value, at_ms, until_ms))
    };
    let percent = |ToldPercent { value, at_ms, until_ms }| told_at(value, at_ms, until_ms);
    let metrics = PoolMetrics {
        pending_jobs: count(record.pending_jobs),
        queue_depth: count(record.queue_depth),
        utilization: record.utilization.map(percent),
    };
    Ok((PoolName::new(&record.pool)?, metrics))
}

fn told_at<T>(value: T, at_ms: u64, until_ms: u64) -> Told<T> {
    Told { value, at: LogTime::from_ms(at_ms), until: LogTime::from_ms(until_ms) }
}
