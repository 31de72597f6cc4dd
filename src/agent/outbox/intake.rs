use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use navarch_host::Clock;
use navarch_proto::api::HealthEvent;
use tokio::sync::Notify;
use uuid::Builder;

use super::{
    OutboxBounds,
    file::{Found, QueueFile},
    pairs::{Pairs, Seen},
    queue::Queue,
    record::{Position, Record},
};
use crate::agent::{AgentError, state_dir::StateDir};

/// The name of the file in the state directory.
const FILE: &str = "events.queue";
/// A file that holds nothing any more is emptied when it is longer than this, bytes.
const EMPTY_ABOVE: u64 = 64 << 10;
/// Longest message of an event, bytes: what a person needs of it.
const MAX_MESSAGE: usize = 4 << 10;

/// Events that were seen together.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) seen: Seen,
    pub(super) events: Vec<HealthEvent>,
    pub(super) position: Option<Position>,
}

/// The queue, shared by who fills it and who reports.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: Mutex<Queue>,
    pub(super) news: Notify,
}

/// Takes events in: to the disk first, then to where they are reported from.
pub(super) struct Intake {
    waiting: Arc<Waiting>,
    file: Option<QueueFile>,
    /// Writing failed: the file is not what it should be until it is written anew.
    broken: bool,
    bounds: OutboxBounds,
    pairs: Pairs,
    clock: Clock,
    /// Kept until the last word is written.
    _claim: Option<Arc<StateDir>>,
}

impl Waiting {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    /// Goes on with what the state directory holds; without one, with nothing.
    pub(super) fn open(
        claim: Option<Arc<StateDir>>,
        bounds: OutboxBounds,
        clock: Clock,
    ) -> Result<Self, AgentError> {
        let mut file = None;
        let mut queue = Queue::of(bounds, Vec::new());
        if let Some(claim) = &claim {
            let path = claim.path().join(FILE);
            let opened = QueueFile::open(&path, clock.wall_ms());
            let (mut opened, found) =
                opened.map_err(|source| AgentError::StateDir { path: path.clone(), source })?;
            tell(&path, &found);
            let damaged = found.damaged.is_some();
            queue = Queue::of(bounds, found.records);
            if damaged {
                let written = opened.rewrite(&queue.image());
                written.map_err(|source| AgentError::StateDir { path, source })?;
            }
            if queue.len() > 0 {
                tracing::info!(events = queue.len(), "health events of an earlier run wait");
            }
            file = Some(opened);
        }
        let waiting = Arc::new(Waiting { queue: Mutex::new(queue), news: Notify::new() });
        let pairs = Pairs::default();
        Ok(Self { waiting, file, broken: false, bounds, pairs, clock, _claim: claim })
    }

    #[cfg(test)]
    pub(super) fn divert(&mut self, to: std::fs::File) {
        self.file.iter_mut().for_each(|file| file.divert(to.try_clone().unwrap()));
    }

    pub(super) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Takes in what was seen. Blocks for the disk.
    pub(super) fn take_in(&mut self, sightings: Vec<Sighting>) {
        let mut position = None;
        let mut events = Vec::new();
        for sighting in sightings {
            position = sighting.position.or(position);
            let fresh = sighting.events.into_iter().map(|event| self.prepared(event));
            let fresh: Vec<_> = fresh.collect();
            let now_ms = self.clock.wall_ms();
            let first = |event: &HealthEvent| !self.pairs.is_second(event, sighting.seen, now_ms);
            events.extend(fresh.into_iter().filter(first));
        }
        if events.is_empty() && position.is_none() {
            return;
        }
        let mut records: Vec<_> = events.iter().cloned().map(Record::of).collect();
        records.extend(
            position
                .clone()
                .map(|position| Record { position: Some(position), ..Record::default() }),
        );
        self.append(&records, true);
        let news = !events.is_empty();
        let dropped = {
            let mut queue = self.waiting.lock();
            let before = queue.dropped();
            queue.add(events, position);
            queue.dropped() - before
        };
        if dropped > 0 {
            tracing::warn!(
                dropped,
                events = self.bounds.events,
                bytes = self.bounds.bytes,
                "no room for more health events: the least severe were dropped"
            );
        }
        self.save();
        if news {
            self.waiting.news.notify_one();
        }
    }

    /// Has the file follow the queue: what was acknowledged goes, and a file that could not be written is
    /// written anew.
    pub(super) fn save(&mut self) {
        if self.file.is_none() {
            return;
        }
        let unwritten = self.waiting.lock().take_unwritten();
        if let Some(record) = unwritten {
            // A loss of this on a power failure repeats a report, under ids that are known.
            self.append(&[record], false);
        }
        let (length, waiting) = (self.file.as_ref().map_or(0, QueueFile::length), &self.waiting);
        let idle = waiting.lock().len() == 0 && length > EMPTY_ABOVE;
        if self.broken || idle || length > 2 * self.bounds.bytes as u64 {
            self.rewrite();
        }
    }

    fn append(&mut self, records: &[Record], sync: bool) {
        let Some(file) = &mut self.file else { return };
        // What a broken file lacks is in the queue, from which it is written anew.
        if self.broken {
            return;
        }
        if let Err(error) = file.append(records, sync) {
            self.broken = true;
            tracing::error!(%error, "health events are kept in memory only: --state-dir cannot be written");
        }
    }

    fn rewrite(&mut self) {
        let image = self.waiting.lock().image();
        let Some(file) = &mut self.file else { return };
        match file.rewrite(&image) {
            Ok(()) if self.broken => {
                self.broken = false;
                tracing::info!("health events are kept in --state-dir again");
            }
            Ok(()) => {}
            Err(error) => {
                if !self.broken {
                    tracing::error!(%error, "health events are kept in memory only: --state-dir cannot be written");
                }
                self.broken = true;
            }
        }
    }

    /// An event as it is kept: with an id, and no longer than it needs to be.
    fn prepared(&self, mut event: HealthEvent) -> HealthEvent {
        if event.event_id.is_empty() {
            let random: [u8; 10] = rand::random();
            let id = Builder::from_unix_timestamp_millis(self.clock.wall_ms(), &random);
            event.event_id = id.into_uuid().to_string();
        }
        event.message.truncate(event.message.floor_char_boundary(MAX_MESSAGE));
        event
    }
}

fn tell(path: &Path, found: &Found) {
    let path = path.display();
    if found.torn > 0 {
        tracing::warn!(%path, bytes = found.torn, "the end of the last record was never written; it was cut off");
    }
    if let Some((aside, ranges)) = &found.damaged {
        let aside = aside.display();
        tracing::error!(%path, %aside, ?ranges, "parts of the kept health events cannot be read; a copy is kept aside");
    }
}
