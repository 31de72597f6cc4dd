use std::sync::Arc;

use crate::{limits::RETAIN_REQUESTS_MS, time::LogTime};

/// Requests of one kind kept of one node; the oldest go first. An agent registers a few times a day, and reports at most
/// a few times a minute what changes its health.
const LIMIT: usize = 256;

/// A request that a node was heard under before its last one of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EarlierRequest {
    /// The first eight bytes of its id's BLAKE3.
    pub(crate) hash: u64,
    /// When the next one of that kind took effect.
    pub(crate) at: LogTime,
}

/// The requests of one kind that took effect lately, before the last one: a try of one of them that was held up on its way
/// must not undo what came after it. Those that were followed by another in the last five minutes, as other calls are remembered: none of a healthy
/// node, a few of an unhealthy one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EarlierRequests(Option<Arc<[EarlierRequest]>>);

impl EarlierRequests {
    /// As they were kept, the oldest first.
    pub(crate) fn restored(kept: Vec<EarlierRequest>) -> Self {
        Self((!kept.is_empty()).then(|| kept.into()))
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &EarlierRequest> {
        self.0.iter().flat_map(|kept| kept.iter())
    }

    /// Whether that id is one of them.
    pub(crate) fn has(&self, request_id: &str, now: LogTime) -> bool {
        let hash = hash(request_id);
        self.iter().any(|earlier| earlier.hash == hash && is_kept(earlier, now))
    }

    /// The same, and one more that is the last no longer.
    #[must_use]
    pub(crate) fn and(&self, request_id: &str, now: LogTime) -> Self {
        let more = EarlierRequest { hash: hash(request_id), at: now };
        let more = Some(more).filter(|_| !request_id.is_empty());
        let all = self.iter().copied().chain(more).filter(|earlier| is_kept(earlier, now));
        let mut all: Vec<_> = all.collect();
        all.drain(..all.len().saturating_sub(LIMIT));
        Self::restored(all)
    }
}

fn is_kept(earlier: &EarlierRequest, now: LogTime) -> bool {
    earlier.at.plus_ms(RETAIN_REQUESTS_MS) > now
}

fn hash(request_id: &str) -> u64 {
    let hash = blake3::hash(request_id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a node that registers again and again would grow without end, or a late try take effect again.
    #[test]
    fn the_last_ones_of_five_minutes_are_kept() {
        let at = LogTime::from_ms;
        let one = EarlierRequests::default().and("a", at(1)).and("", at(2));
        assert_eq!(one.iter().count(), 1, "no id is nothing to remember");
        assert!(one.has("a", at(RETAIN_REQUESTS_MS)) && !one.has("b", at(10)));
        assert!(!one.has("a", at(1 + RETAIN_REQUESTS_MS)), "five minutes are over");
        assert_eq!(one.and("b", at(1 + RETAIN_REQUESTS_MS)).iter().count(), 1);
        let many = (0..LIMIT + 5).fold(one, |kept, number| kept.and(&format!("n{number}"), at(20)));
        assert_eq!(many.iter().count(), LIMIT);
        assert!(!many.has("n4", at(20)) && many.has("n5", at(20)));
        assert_eq!(EarlierRequests::restored(many.iter().copied().collect()), many);
    }
}
