use std::time::Duration;

use super::{
    AgentError,
    gpu::{Counters, GpuNews},
    outbox::{NotAdded, Seen, Sighting},
    shared::Shared,
    system::boot_id,
};

/// How often the source of the GPUs is asked for news.
const COLLECT_EVERY: Duration = Duration::from_millis(500);

/// Takes what the GPUs have to tell into the outbox, whatever the group and the other loops wait for.
struct Collector {
    counters: Counters,
    /// What found no place on the way to the disk.
    held_up: Option<Box<Sighting>>,
}

/// Collects until the agent stops, or ends it where nothing can be kept any more.
pub(super) async fn run(shared: &Shared) {
    let boot = boot_id(&shared.config.proc_dir).unwrap_or_default();
    let counters = Counters::resume(shared.outbox.counters(), boot);
    let mut collector = Collector { counters, held_up: None };
    loop {
        collector.collect(shared);
        if shared.outbox.has_ended() {
            return shared.fail(AgentError::EventsNotKept);
        }
        if !shared.pause(COLLECT_EVERY).await {
            // What came since goes to the disk as well.
            return collector.collect(shared);
        }
    }
}

impl Collector {
    fn collect(&mut self, shared: &Shared) {
        let sighting = self.held_up.take().unwrap_or_else(|| Box::new(self.look(shared)));
        // Where the disk hangs the source keeps what it can, and counts what it cannot.
        if let Err(NotAdded::Full(sighting)) = shared.outbox.try_add(*sighting) {
            self.held_up = Some(sighting);
        }
    }

    fn look(&mut self, shared: &Shared) -> Sighting {
        let GpuNews { mut events, dropped, readings } = shared.probe.source().take_news();
        events.extend(readings.iter().flat_map(|reading| self.counters.read(reading)));
        let counters = self.counters.take_changed();
        Sighting { events, dropped, counters, ..Sighting::by(Seen::Driver) }
    }
}
