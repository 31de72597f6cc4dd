use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use navarch_host::{Clock, panic_message};
use navarch_proto::api::HealthEvent;
use tokio::sync::Notify;
use uuid::Builder;

use super::{
    OutboxBounds,
    file::{Found, QueueFile},
    pairs::Pairs,
    queue::Queue,
    record::Record,
    sighting::Sighting,
};
use crate::agent::{AgentError, state_dir::StateDir};

/// The name of the file in the state directory.
const FILE: &str = "events.queue";
/// A file that holds nothing any more is emptied when it is longer than this, bytes.
const EMPTY_ABOVE: u64 = 64 << 10;
/// Longest message of an event, bytes: what a person needs of it.
const MAX_MESSAGE: usize = 4 << 10;

/// The queue, shared by who fills it and who reports.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: Mutex<Queue>,
    pub(super) news: Notify,
    /// Nobody takes anything in any more.
    ended: AtomicBool,
}

/// Called with each event that is taken in.
#[cfg(test)]
type Trap = Box<dyn FnMut(&HealthEvent) + Send>;

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
    /// What a test has go wrong.
    #[cfg(test)]
    pub(super) trap: Option<Trap>,
}

impl Waiting {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
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
        let waiting = Arc::new(Waiting { queue: Mutex::new(queue), ..Waiting::default() });
        Ok(Self {
            waiting,
            file,
            broken: false,
            bounds,
            pairs: Pairs::default(),
            clock,
            _claim: claim,
            #[cfg(test)]
            trap: None,
        })
    }

    #[cfg(test)]
    pub(super) fn divert(&mut self, to: std::fs::File) {
        self.file.iter_mut().for_each(|file| file.divert(to.try_clone().unwrap()));
    }

    pub(super) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Takes in what was seen. Blocks for the disk. A panic on the way, ours or of a library, costs no other event: what
    /// was seen is here still and is tried once more, each for itself. To end the agent instead would lose what is in
    /// memory alone.
    pub(super) fn take_in(&mut self, mut sightings: Vec<Sighting>) {
        sightings.retain(|sighting| !sighting.is_empty());
        if sightings.is_empty() {
            return;
        }
        // With their ids, so that what is taken in twice is one.
        let events = sightings.iter_mut().flat_map(|sighting| &mut sighting.events);
        events.for_each(|event| prepare(event, self.clock.wall_ms()));
        if !self.survives(|intake| intake.take_in_now(&sightings)) {
            for sighting in &sightings {
                if !self.survives(|intake| intake.take_in_now(slice::from_ref(sighting))) {
                    let count = sighting.events.len() as u64;
                    tracing::error!(events = ?sighting.events, "health events that cannot be kept are dropped");
                    self.waiting.lock().count_dropped(count);
                }
            }
        }
        self.save();
        if sightings.iter().any(|sighting| !sighting.events.is_empty()) {
            self.waiting.news.notify_one();
        }
    }

    fn take_in_now(&mut self, sightings: &[Sighting]) {
        let (mut position, mut counters) = (None, None);
        let (mut events, mut unseen) = (Vec::new(), 0);
        for sighting in sightings {
            position = sighting.position.clone().or(position);
            counters = sighting.counters.clone().or(counters);
            unseen += sighting.dropped;
            for event in &sighting.events {
                #[cfg(test)]
                self.trap.iter_mut().for_each(|trap| trap(event));
                if !self.pairs.is_second(event, sighting.seen, self.clock.wall_ms()) {
                    events.push(event.clone());
                }
            }
        }
        let mut records: Vec<_> = events.iter().cloned().map(Record::of).collect();
        if position.is_some() || counters.is_some() {
            let (position, counters) = (position.clone(), counters.clone());
            records.push(Record { position, counters, ..Record::default() });
        }
        if !records.is_empty() {
            self.append(&records, true);
        }
        let dropped = {
            let mut queue = self.waiting.lock();
            let before = queue.dropped();
            queue.has_read(position, counters);
            queue.add(events);
            let dropped = queue.dropped() - before;
            queue.count_dropped(unseen);
            dropped
        };
        self.tell_dropped(dropped, unseen);
    }

    fn tell_dropped(&self, dropped: u64, unseen: u64) {
        let OutboxBounds { events, bytes } = self.bounds;
        if dropped > 0 {
            tracing::warn!(
                dropped,
                events,
                bytes,
                "no room for more health events: the least severe were dropped"
            );
        }
        if unseen > 0 {
            tracing::warn!(
                dropped = unseen,
                "more health events came than could be taken from the GPUs' source: the least severe were dropped"
            );
        }
    }

    /// Has the file follow the queue: what was acknowledged goes, and a file that could not be written is
    /// written anew.
    pub(super) fn save(&mut self) {
        self.survives(Self::save_now);
    }

    fn save_now(&mut self) {
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

    /// Whether `work` ended without a panic.
    pub(super) fn survives(&mut self, work: impl FnOnce(&mut Self)) -> bool {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else { return true };
        let panic = panic_message(&*panic);
        tracing::error!(
            panic,
            "health events could not be kept, for a fault of this program; trying again"
        );
        // What the file holds now is not known: it is written anew from the queue.
        self.broken = true;
        false
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
}

/// Makes an event what is kept of it: with an id, and no longer than it needs to be.
fn prepare(event: &mut HealthEvent, wall_ms: u64) {
    if event.event_id.is_empty() {
        let random: [u8; 10] = rand::random();
        let id = Builder::from_unix_timestamp_millis(wall_ms, &random);
        event.event_id = id.into_uuid().to_string();
    }
    event.message.truncate(event.message.floor_char_boundary(MAX_MESSAGE));
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
