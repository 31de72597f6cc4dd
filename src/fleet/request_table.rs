use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use navarch_proto::fleet;

use crate::{
    limits::{MAX_REQUEST_BYTES, MAX_REQUESTS, RETAIN_REQUESTS_MS},
    time::LogTime,
};

/// Under which a call's outcome is remembered.
///
/// Ordered by the request id first: it is the part that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId {
    pub(crate) request_id: Arc<str>,
    pub(crate) method: Arc<str>,
    pub(crate) principal: Arc<str>,
}

/// A call's outcome.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Remembered {
    /// BLAKE3 of the call's body.
    pub(crate) payload_hash: [u8; 32],
    /// When it was applied.
    pub(crate) at: LogTime,
    /// Encoded [`fleet::Outcome`].
    pub(crate) outcome: Arc<[u8]>,
}

/// What the table knows of a request id.
#[derive(Debug, PartialEq)]
pub(crate) enum Lookup<'a> {
    /// Nothing, or nothing any more.
    New,
    /// The same call came before: this is its answer.
    Answered(&'a Remembered),
    /// Another call came under the same id.
    Mismatch,
}

/// The outcomes of the last five minutes, so that a retry under the same id takes effect once.
///
/// Bounded: when it is full, new calls are refused; nothing is forgotten early.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestTable {
    by_id: OrdMap<RequestId, Arc<Remembered>>,
    by_time: OrdSet<(LogTime, RequestId)>,
    bytes: usize,
}

impl RequestTable {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RequestId, &Remembered)> {
        self.by_id.iter().map(|(id, remembered)| (id, &**remembered))
    }

    /// When the oldest outcome is due to be forgotten.
    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        self.by_time.get_min().map(|(at, _)| at.plus_ms(RETAIN_REQUESTS_MS))
    }

    pub(crate) fn lookup(&self, id: &RequestId, payload_hash: &[u8], now: LogTime) -> Lookup<'_> {
        match self.by_id.get(id) {
            None => Lookup::New,
            Some(known) if known.at.plus_ms(RETAIN_REQUESTS_MS) <= now => Lookup::New,
            Some(known) if known.payload_hash == payload_hash => Lookup::Answered(known),
            Some(_) => Lookup::Mismatch,
        }
    }

    /// Whether no more can be remembered.
    pub(crate) fn is_full(&self) -> bool {
        self.by_id.len() >= MAX_REQUESTS || self.bytes >= MAX_REQUEST_BYTES
    }

    pub(crate) fn insert(&mut self, id: RequestId, remembered: Remembered) {
        self.remove(&id);
        self.bytes = self.bytes.saturating_add(weight(&id, &remembered));
        self.by_time.insert((remembered.at, id.clone()));
        self.by_id.insert(id, Arc::new(remembered));
    }

    /// Forgets at most `limit` outcomes whose time is over, the oldest first; tells how many.
    pub(crate) fn drop_expired(&mut self, now: LogTime, limit: usize) -> usize {
        let mut dropped = 0;
        while dropped < limit {
            match self.by_time.get_min() {
                Some((at, id)) if at.plus_ms(RETAIN_REQUESTS_MS) <= now => {
                    let id = id.clone();
                    self.remove(&id);
                    dropped += 1;
                }
                _ => break,
            }
        }
        dropped
    }

    fn remove(&mut self, id: &RequestId) {
        if let Some(remembered) = self.by_id.remove(id) {
            self.bytes = self.bytes.saturating_sub(weight(id, &remembered));
            self.by_time.remove(&(remembered.at, id.clone()));
        }
    }

    /// Whether the index and the count of bytes say what a full scan says.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rebuilt = Self::default();
        for (id, remembered) in self.iter() {
            rebuilt.insert(id.clone(), remembered.clone());
        }
        rebuilt.by_time == self.by_time && rebuilt.bytes == self.bytes
    }
}

impl Remembered {
    /// As the snapshot holds it.
    pub(crate) fn to_record(&self, id: &RequestId) -> fleet::RequestRecord {
        fleet::RequestRecord {
            key: Some(fleet::RequestKey {
                principal: id.principal.to_string(),
                method: id.method.to_string(),
                request_id: id.request_id.to_string(),
                payload_hash: self.payload_hash.to_vec().into(),
            }),
            at_ms: self.at.as_ms(),
            outcome: self.outcome.to_vec().into(),
        }
    }
}

/// Bytes that an outcome takes in memory, near enough and the same on every replica.
fn weight(id: &RequestId, remembered: &Remembered) -> usize {
    const FIXED: usize = 256;
    FIXED + id.request_id.len() + id.principal.len() + remembered.outcome.len()
}
