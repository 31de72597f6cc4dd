//! A register's history, cut where its value is known for certain: at a read that was alone. The search in each
//! stretch stays short, however long the run. A write that nobody knows the end of may take effect in any later
//! stretch, and is offered to each of them; that is lenient, and never a false alarm.

use porcupine_rs::Operation as Searched;

use super::register_model::{RegisterModel, Step};
use crate::history::{End, Operation, PastCall, Value};

/// Calls of a stretch, at least, before it is cut.
const SHORTEST: usize = 500;

/// A call as the search wants it.
pub(super) type Call = Searched<RegisterModel>;

/// Cuts the calls of one register, in the order in which they began.
pub(super) fn of(calls: &[&PastCall<'_>]) -> Vec<Vec<Call>> {
    let mut stretches = Vec::new();
    let (mut present, mut open): (Vec<Call>, Vec<Call>) = (Vec::new(), Vec::new());
    // The latest end of all answered calls so far.
    let mut latest = -1;
    for (place, past) in calls.iter().enumerate() {
        let Some(call) = searched(past) else { continue };
        let next_begins = calls.get(place + 1).map_or(i64::MAX, |next| position(next.began));
        let alone = call.call_time > latest && call.return_time < next_begins;
        latest = if call.return_time == i64::MAX { latest } else { latest.max(call.return_time) };
        if call.return_time == i64::MAX {
            open.push(call.clone());
        }
        let cut = alone && matches!(call.op, Step::Read(_)) && present.len() >= SHORTEST;
        present.push(call.clone());
        if cut {
            stretches.push(std::mem::take(&mut present));
            // The next one begins with what this read has shown.
            present.push(call);
            present.extend(open.iter().cloned());
        }
    }
    stretches.push(present);
    stretches
}

/// A call that has taken effect, or may have; none for what changed nothing and tells nothing.
fn searched(past: &PastCall<'_>) -> Option<Call> {
    let (value, return_time) = match past.end {
        End::Ok { at, value, .. } => (value, position(at)),
        End::Unknown => (None, i64::MAX),
        End::Failed => return None,
    };
    let step = match (past.operation, value) {
        (Operation::Read { .. }, Some(Value::Register(value))) => Step::Read(*value),
        (Operation::Write { value, .. }, _) => Step::Write(*value),
        (Operation::CompareAndSet { expected, value, .. }, told) => {
            let swapped = match told {
                Some(Value::Swapped(swapped)) => Some(*swapped),
                _ => None,
            };
            Step::CompareAndSet { expected: *expected, value: *value, swapped }
        }
        _ => return None,
    };
    let call_time = position(past.began);
    Some(Call { client_id: Some(past.client), call_time, return_time, op: step, metadata: None })
}

/// A place in the history as a time.
fn position(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX - 1)
}
