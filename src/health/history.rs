use cel::{
    common::{
        types::{CelInt, CelString},
        value::CowVal,
    },
    context::VariableResolver,
};
use navarch_fleet::{
    LogTime, NodeHistory, RememberedEvent,
    limits::{MAX_KIND_HISTORY, RETAIN_HISTORY_MS},
};
use navarch_proto::api::{HealthEvent, HealthEventType};

use super::look::{Look, Question, VARIABLE};

/// What a report is judged after.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past<'a> {
    /// What the node reported lately; none: nothing.
    pub history: Option<&'a NodeHistory>,
    /// The fleet's time; an agent's clock may be years off.
    pub now: LogTime,
    /// The report's request id, which tells events without a time apart; empty: none.
    pub request_id: &'a str,
}

/// A node's history as rules look at it, which the report's own events join one by one.
pub(super) struct History<'a> {
    past: Past<'a>,
    /// By the number of the kind.
    by_kind: Vec<Vec<RememberedEvent>>,
    fresh: Vec<RememberedEvent>,
}

impl<'a> History<'a> {
    pub(super) fn new(past: Past<'a>) -> Self {
        let mut history = Self { past, by_kind: Vec::new(), fresh: Vec::new() };
        for event in past.history.map(NodeHistory::events).unwrap_or_default() {
            history.push(*event);
        }
        history
    }

    /// Takes the next event of the report in. One that is known already counts once.
    pub(super) fn join(&mut self, position: usize, event: &HealthEvent) -> RememberedEvent {
        let seen = RememberedEvent {
            at: self.past.now,
            identity: identity(event, (self.past.request_id, position)),
            kind: event.event_type(),
            code: code(event),
            gpu_index: event.gpu_index,
        };
        let known = self.of_kind(seen.kind).iter().any(|one| one.identity == seen.identity);
        if !known && seen.kind != HealthEventType::Unknown {
            self.push(seen);
            self.fresh.push(seen);
        }
        seen
    }

    /// What the history of the node gains by the report: as much as it can hold.
    pub(super) fn into_fresh(mut self) -> Vec<RememberedEvent> {
        let kept: Vec<u64> = self.by_kind.iter().flatten().map(|event| event.identity).collect();
        if self.fresh.len() > MAX_KIND_HISTORY {
            self.fresh.retain(|event| kept.contains(&event.identity));
        }
        self.fresh
    }

    fn of_kind(&self, kind: HealthEventType) -> &[RememberedEvent] {
        self.by_kind.get(place(kind)).map(Vec::as_slice).unwrap_or_default()
    }

    /// As the fleet's state does it: the oldest of the kind goes first.
    fn push(&mut self, event: RememberedEvent) {
        let place = place(event.kind);
        if self.by_kind.len() <= place {
            self.by_kind.resize_with(place + 1, Vec::new);
        }
        let of_kind = &mut self.by_kind[place];
        if of_kind.len() == MAX_KIND_HISTORY {
            of_kind.remove(0);
        }
        of_kind.push(event);
    }

    /// The events that a look counts.
    fn within<'b>(
        &'b self,
        look: &'b Look,
        present: RememberedEvent,
    ) -> impl DoubleEndedIterator<Item = &'b RememberedEvent> {
        let since = self.past.now.minus_ms(look.window_ms);
        self.of_kind(look.kind).iter().filter(move |event| {
            event.at >= since
                && look.code.is_none_or(|code| code == event.code)
                && (!look.own_gpu || event.gpu_index == present.gpu_index)
        })
    }

    fn count(&self, look: &Look, present: RememberedEvent) -> usize {
        self.within(look, present).count()
    }

    fn distinct(&self, look: &Look, present: RememberedEvent) -> usize {
        let mut codes: Vec<u32> = self.within(look, present).map(|event| event.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.len()
    }

    /// Since the last one but the present event; as long as anything is remembered if there was none.
    fn since_ms(&self, look: &Look, present: RememberedEvent) -> u64 {
        let mut others = self.within(look, present).filter(|one| one.identity != present.identity);
        let last = others.next_back();
        last.map_or(RETAIN_HISTORY_MS, |last| self.past.now.as_ms().saturating_sub(last.at.as_ms()))
    }
}

fn place(kind: HealthEventType) -> usize {
    usize::try_from(i32::from(kind)).unwrap_or_default()
}

/// The answers to a policy's looks at the time of one event, as variables.
pub(super) struct Answers<'a> {
    pub(super) looks: &'a [Look],
    pub(super) history: &'a History<'a>,
    pub(super) present: RememberedEvent,
}

impl VariableResolver for Answers<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let number: usize = variable.strip_prefix(VARIABLE)?.parse().ok()?;
        let look = self.looks.get(number)?;
        let integer =
            |count: usize| CowVal::owned(CelInt::from(i64::try_from(count).unwrap_or(i64::MAX)));
        Some(match look.question {
            Question::Count => integer(self.history.count(look, self.present)),
            Question::Distinct => integer(self.history.distinct(look, self.present)),
            Question::Since => {
                let text = format!("{}ms", self.history.since_ms(look, self.present));
                CowVal::owned(CelString::from(text))
            }
        })
    }
}

/// The number of an XID; 0: it is none, or has none.
pub(super) fn code(event: &HealthEvent) -> u32 {
    if event.event_type() != HealthEventType::Xid {
        return 0;
    }
    let text = event.metrics.get("xid_code").map(String::as_str).unwrap_or_default();
    // As rules see it: `79.0` is a number too.
    let number = text.parse::<f64>().unwrap_or_default();
    if number.fract() == 0.0 && (1.0..=65_535.0).contains(&number) {
        // The range has been looked at.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to 65,535"
        )]
        return number as u32;
    }
    0
}

/// What tells an event from others: the id that its agent gave it. Without one its own time, GPU, kind and figures; without
/// a time either, the report that it came with and its place there, or every such event after the first would be taken for
/// a repetition.
fn identity(event: &HealthEvent, (request_id, position): (&str, usize)) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    if !event.event_id.is_empty() {
        part(event.event_id.as_bytes());
        return first_bytes(&hasher);
    }
    match event.timestamp {
        Some(time) => {
            part(&time.seconds.to_le_bytes());
            part(&time.nanos.to_le_bytes());
        }
        None => {
            part(request_id.as_bytes());
            part(&(position as u64).to_le_bytes());
        }
    }
    part(&event.event_type.to_le_bytes());
    part(&event.gpu_index.to_le_bytes());
    part(event.gpu_uuid.as_bytes());
    let mut metrics: Vec<_> = event.metrics.iter().collect();
    metrics.sort_unstable();
    for (name, value) in metrics {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    first_bytes(&hasher)
}

fn first_bytes(hasher: &blake3::Hasher) -> u64 {
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_be_bytes(first)
}
