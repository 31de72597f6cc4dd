use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, View};

/// How many events one look at the journal takes; with more than that to catch up, everybody is woken.
const EVENTS_PER_LOOK: usize = 10_000;
/// Between two looks: a command that comes in a burst of other changes waits no longer for its poll.
const LOOK_REST: Duration = Duration::from_millis(2);

/// Polls that wait for commands, by node: a command wakes its own node's poll and no other.
#[derive(Default)]
pub(super) struct Waiters {
    polls: Mutex<HashMap<String, Waiting>>,
}

struct Waiting {
    notify: Arc<Notify>,
    count: usize,
}

/// One poll that waits; leaves the table when dropped.
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    node_id: String,
    notify: Arc<Notify>,
}

impl Waiters {
    /// Enters a poll. Enter first and look for commands afterwards, so that none falls in between.
    pub(super) fn enter(self: &Arc<Self>, node_id: &str) -> Waiter {
        let mut polls = self.lock();
        let waiting = polls
            .entry(node_id.to_owned())
            .or_insert_with(|| Waiting { notify: Arc::default(), count: 0 });
        waiting.count += 1;
        let notify = Arc::clone(&waiting.notify);
        Waiter { waiters: Arc::clone(self), node_id: node_id.to_owned(), notify }
    }

    /// Wakes polls whose node got a command, until `stop`.
    pub(super) async fn run(self: Arc<Self>, ledger: Ledger, stop: CancellationToken) {
        let mut views = ledger.paced_views(LOOK_REST);
        let mut seen = views.newest().fleet.last_event_index();
        while let Some(Some(View { fleet, .. })) = stop.run_until_cancelled(views.next()).await {
            let newest = fleet.last_event_index();
            if newest.saturating_sub(seen) > EVENTS_PER_LOOK as u64 {
                self.lock().values().for_each(|waiting| waiting.notify.notify_waiters());
            } else {
                for event in fleet.events_since(seen, EVENTS_PER_LOOK) {
                    if event.kind == "command-queued" {
                        self.wake(event.subject.strip_prefix("node/").unwrap_or_default());
                    }
                }
            }
            seen = newest;
        }
    }

    fn wake(&self, node_id: &str) {
        if let Some(waiting) = self.lock().get(node_id) {
            waiting.notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Resolves when the node may have got a command after this was called.
    pub(super) fn woken(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut polls = self.waiters.lock();
        if let Some(waiting) = polls.get_mut(&self.node_id) {
            waiting.count -= 1;
            if waiting.count == 0 {
                polls.remove(&self.node_id);
            }
        }
    }
}
