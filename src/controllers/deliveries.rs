use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use navarch_host::{Clock, Moment};

/// The lanes in which a call is under way. Controllers that share them never call in the same lane at the
/// same time, so that what the one tells of a node cannot overtake what the other does.
pub(super) struct Lanes<L>(Arc<Mutex<BTreeSet<L>>>);

impl<L> Default for Lanes<L> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<L> Clone for Lanes<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L> Lanes<L> {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<L>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls under way to whoever is told something, one a lane. They outlive the pass that began them, so that
/// one which hangs holds up no other lane; they die with their controller's session.
pub(super) struct Deliveries<L, T> {
    under_way: FuturesUnordered<BoxFuture<'static, (L, T)>>,
    lanes: Lanes<L>,
}

impl<L: Ord + Clone + Send + 'static, T: Send + 'static> Deliveries<L, T> {
    pub(super) fn new(lanes: Lanes<L>) -> Self {
        Self { under_way: FuturesUnordered::new(), lanes }
    }

    /// Whether a call is under way in the lane.
    pub(super) fn is_busy(&self, lane: &L) -> bool {
        self.lanes.lock().contains(lane)
    }

    /// How many calls of these are under way.
    pub(super) fn count(&self) -> usize {
        self.under_way.len()
    }

    /// Begins a call in a lane; false: there is one under way.
    pub(super) fn begin<F>(&mut self, lane: L, call: F) -> bool
    where
        F: Future<Output = T> + Send + 'static,
    {
        let free = self.lanes.lock().insert(lane.clone());
        if free {
            self.under_way.push(call.map(|answer| (lane, answer)).boxed());
        }
        free
    }

    /// The next answer; none if nothing is under way, or nothing was answered by `until`.
    pub(super) async fn next(&mut self, clock: &Clock, until: Moment) -> Option<(L, T)> {
        let answered = clock.timeout_at(until, self.under_way.next()).await;
        let (lane, answer) = answered.ok().flatten()?;
        self.lanes.lock().remove(&lane);
        Some((lane, answer))
    }
}
