use navarch_proto::fleet::PoolState;

use super::record::RecordError;
use crate::{
    ids::{PoolName, Revision},
    model::Pool,
    text::stored,
    time::{LogTime, ms_or_zero},
};

pub(super) fn to_record(pool: &Pool) -> PoolState {
    PoolState {
        name: pool.name.to_string(),
        target: pool.target,
        revision: pool.revision.0,
        reason: pool.reason.to_string(),
        held_reason: pool.held_reason.to_string(),
        replacement_held: pool.replacement_held.to_string(),
        cooldown_until_ms: ms_or_zero(pool.cooldown_until),
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
        cooldown_until: LogTime::optional(record.cooldown_until_ms),
        hold_until: LogTime::optional(record.hold_until_ms),
        choices: record.choices,
        replaced_at: record.replaced_ms.iter().copied().map(LogTime::from_ms).collect(),
    })
}
