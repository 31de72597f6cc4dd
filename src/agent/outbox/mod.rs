//! Health events from when they are seen until a report with them is acknowledged. With a state directory they
//! are on the disk before they are reported, so that neither an outage of the group nor the end of the agent
//! loses one.
//!
//! | file | what is there |
//! |---|---|
//! | [`Outbox`] (here) | the door: add, take a batch, let go of it |
//! | [`OutboxBounds`] (`bounds`), `severity` | how much is kept, and what goes first |
//! | [`Sighting`], [`NotAdded`] (`sighting`) | what was seen together, and why it may not be added |
//! | `queue` | the events that wait, and the batch that is being reported |
//! | `intake` | from a sighting to the disk and the queue |
//! | `pairs` | an XID that both the driver and the kernel log tell of is one |
//! | `file`, `record` | the file in the state directory |

mod bounds;
mod file;
mod intake;
mod pairs;
mod queue;
mod record;
mod severity;
mod sighting;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use navarch_host::{Clock, Spawner};
use navarch_proto::api::HealthEvent;

pub use self::bounds::OutboxBounds;
use self::intake::{Intake, Waiting};
pub(super) use self::{
    queue::Batch,
    record::{GpuCounters, KeptCounters, Position},
    severity::Severity,
    sighting::{NotAdded, Seen, Sighting},
};
use super::{AgentError, state_dir::StateDir};

/// Sightings that wait for the disk.
const MAX_SIGHTINGS: usize = 256;
/// How often the file follows the queue when nothing is seen.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Tells that the thread has ended, however it did.
struct Ending(Arc<Waiting>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Health events on their way.
pub(super) struct Outbox {
    waiting: Arc<Waiting>,
    door: Door,
}

enum Door {
    /// Nothing is written, so nothing blocks.
    Memory(Mutex<Intake>),
    /// A thread writes: a disk that hangs must not silence the node.
    Disk(SyncSender<Sighting>),
}

impl Outbox {
    /// Goes on with the events that the directory holds; none: they are kept in memory.
    pub(super) fn open(
        claim: Option<Arc<StateDir>>,
        bounds: OutboxBounds,
        clock: &Clock,
        spawner: &dyn Spawner,
    ) -> Result<Self, AgentError> {
        let in_memory = claim.is_none();
        let mut intake = Intake::open(claim, bounds, clock.clone())?;
        let waiting = intake.waiting();
        if in_memory {
            tracing::warn!(
                "health events wait in memory only; --state-dir keeps them over a restart"
            );
            return Ok(Self { waiting, door: Door::Memory(Mutex::new(intake)) });
        }
        let (sender, sightings) = sync_channel(MAX_SIGHTINGS);
        let ending = Ending(Arc::clone(&waiting));
        let body = move || {
            write(&mut intake, &sightings);
            drop(ending);
        };
        spawner.thread("health events", Box::new(body)).map_err(AgentError::Thread)?;
        Ok(Self { waiting, door: Door::Disk(sender) })
    }

    /// Adds what was seen, without waiting.
    pub(super) fn try_add(&self, sighting: Sighting) -> Result<(), NotAdded> {
        if sighting.is_empty() {
            return Ok(());
        }
        match &self.door {
            Door::Memory(intake) => take_in(intake, sighting),
            Door::Disk(sender) => sender.try_send(sighting).map_err(|error| match error {
                TrySendError::Full(sighting) => NotAdded::Full(Box::new(sighting)),
                TrySendError::Disconnected(_) => NotAdded::Ended,
            })?,
        }
        Ok(())
    }

    /// Adds what was seen in the kernel log up to `position`; waits while the disk cannot keep up.
    pub(super) fn add_from_log(
        &self,
        events: Vec<HealthEvent>,
        position: Position,
    ) -> Result<(), NotAdded> {
        let position = Some(position);
        let sighting = Sighting { events, position, ..Sighting::by(Seen::KernelLog) };
        match &self.door {
            Door::Memory(intake) => take_in(intake, sighting),
            Door::Disk(sender) => sender.send(sighting).map_err(|_| NotAdded::Ended)?,
        }
        Ok(())
    }

    /// Whether the thread that writes has ended before its agent: nothing can be added any more.
    pub(super) fn has_ended(&self) -> bool {
        self.waiting.has_ended()
    }

    /// Waits until events are added.
    pub(super) async fn news(&self) {
        self.waiting.news.notified().await;
    }

    /// The oldest events, at most `limit`; the same until they are acknowledged.
    pub(super) fn batch(&self, limit: usize) -> Option<Batch> {
        self.waiting.lock().batch(limit)
    }

    /// Lets go of events whose report was acknowledged.
    pub(super) fn acknowledged(&self, batch: &Batch) {
        self.waiting.lock().acknowledged(batch);
    }

    /// Tries a batch that the group refuses in halves; an event that it refuses alone is dropped and handed out.
    pub(super) fn refused(&self, batch: &Batch) -> Option<HealthEvent> {
        self.waiting.lock().refused(batch)
    }

    /// How many events wait, and how many were dropped so far.
    pub(super) fn counts(&self) -> (usize, u64) {
        let queue = self.waiting.lock();
        (queue.len(), queue.dropped())
    }

    /// How far the kernel log was read before the agent started.
    pub(super) fn position(&self) -> Option<Position> {
        self.waiting.lock().position()
    }

    /// The memory errors that had been told before the agent started.
    pub(super) fn counters(&self) -> Option<KeptCounters> {
        self.waiting.lock().counters()
    }
}

/// Writes until the outbox is gone.
fn write(intake: &mut Intake, sightings: &Receiver<Sighting>) {
    loop {
        match sightings.recv_timeout(SAVE_EVERY) {
            // All that waits goes to the disk with one sync.
            Ok(first) => {
                let rest = sightings.try_iter().take(MAX_SIGHTINGS);
                intake.take_in(std::iter::once(first).chain(rest).collect());
            }
            Err(RecvTimeoutError::Timeout) => intake.save(),
            Err(RecvTimeoutError::Disconnected) => return intake.save(),
        }
    }
}

fn take_in(intake: &Mutex<Intake>, sighting: Sighting) {
    intake.lock().unwrap_or_else(PoisonError::into_inner).take_in(vec![sighting]);
}

#[cfg(test)]
#[path = "outbox_test.rs"]
mod tests;
