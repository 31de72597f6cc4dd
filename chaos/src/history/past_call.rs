use std::collections::BTreeMap;

use super::{Event, EventKind, Operation, Value};

/// A call of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall<'a> {
    /// Who called.
    pub client: u32,
    /// What was asked.
    pub operation: &'a Operation,
    /// The place of its beginning among the events.
    pub began: usize,
    /// What became of it.
    pub end: End<'a>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// It was answered.
    Ok {
        /// The place of its end among the events.
        at: usize,
        /// What the answer carries.
        value: Option<&'a Value>,
        /// The log index that the answer reflects.
        index: Option<u64>,
    },
    /// It was refused.
    Failed,
    /// Nobody knows.
    Unknown,
}

impl<'a> PastCall<'a> {
    /// All calls of `history`, in the order in which they began.
    pub fn all(history: &'a [Event]) -> Vec<Self> {
        let mut open = BTreeMap::new();
        let mut calls: Vec<Self> = Vec::new();
        for (at, event) in history.iter().enumerate() {
            let Event { client, call, kind, operation, .. } = event;
            let end = match kind {
                EventKind::Invoke => {
                    open.insert(*call, calls.len());
                    let (began, end) = (at, End::Unknown);
                    calls.push(Self { client: *client, operation, began, end });
                    continue;
                }
                EventKind::Ok => End::Ok { at, value: event.value.as_ref(), index: event.index },
                EventKind::Fail => End::Failed,
                EventKind::Info => End::Unknown,
            };
            // An end without a beginning says nothing of when it could have taken effect.
            if let Some(call) = open.remove(call).and_then(|place: usize| calls.get_mut(place)) {
                call.end = end;
            }
        }
        calls
    }

    /// Whether it was answered.
    pub fn is_ok(&self) -> bool {
        matches!(self.end, End::Ok { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Recorder;

    /// Without it a write whose answer was lost could count as refused, and its effect as a phantom.
    #[test]
    fn calls_without_an_end_stay_open() {
        let recorder = Recorder::default();
        let add =
            |element: &str| Operation::Add { set: "s".to_owned(), element: element.to_owned() };
        let (kept, refused) = (recorder.invoke(0, 1, add("a")), recorder.invoke(1, 2, add("b")));
        refused.fail(2, "full".to_owned());
        kept.ok(3, None, Some(7));
        recorder.invoke(4, 1, add("c")).info(5, "silence".to_owned());
        drop(recorder.invoke(6, 2, add("d")));
        let events = recorder.events();
        let calls = PastCall::all(&events);
        let ends: Vec<_> = calls.iter().map(|call| call.end.clone()).collect();
        let answered = End::Ok { at: 3, value: None, index: Some(7) };
        assert_eq!(ends, [answered, End::Failed, End::Unknown, End::Unknown]);
        assert_eq!(calls.iter().map(|call| call.began).collect::<Vec<_>>(), [0, 1, 4, 6]);
    }
}
