use navarch_proto::api::HealthEvent;

use crate::agent::outbox::Severity;

/// Most events kept until they are asked for.
const MAX_EVENTS: usize = 256;

/// What GPUs have to tell since they were asked last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuNews {
    /// Trouble, oldest first; bounded.
    pub events: Vec<HealthEvent>,
    /// Events that there was no room for.
    pub dropped: u64,
    /// The last reading of each GPU that was read meanwhile.
    pub readings: Vec<GpuReading>,
}

/// What a GPU tells when it is read; none: this board does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuReading {
    /// The driver's number of the GPU.
    pub gpu_index: i32,
    /// The GPU.
    pub gpu_uuid: String,
    /// When it was read, milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Memory errors since the driver was loaded that were corrected.
    pub corrected: Option<u64>,
    /// Memory errors since the driver was loaded that were not.
    pub uncorrected: Option<u64>,
    /// Degrees Celsius; of several readings the hottest.
    pub temperature: Option<u32>,
    /// Where the hardware begins to slow down, degrees Celsius.
    pub slowdown: Option<u32>,
}

impl GpuNews {
    /// Adds an event. Where there is no room the least severe goes, and of those the oldest, and is counted.
    pub(super) fn add_event(&mut self, event: HealthEvent) {
        self.events.push(event);
        if self.events.len() <= MAX_EVENTS {
            return;
        }
        let severities = self.events.iter().map(Severity::of).enumerate();
        if let Some(index) = Severity::first_to_go(severities) {
            self.events.remove(index);
            self.dropped += 1;
        }
    }

    /// Takes the place of the GPU's last reading: its counters only grow.
    pub(super) fn add_reading(&mut self, mut reading: GpuReading) {
        let same = |one: &&mut GpuReading| one.gpu_uuid == reading.gpu_uuid;
        match self.readings.iter_mut().find(same) {
            Some(last) => {
                reading.temperature = reading.temperature.max(last.temperature);
                *last = reading;
            }
            None => self.readings.push(reading),
        }
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::HealthEventType::{self, EccSbe, Thermal, Xid};

    use super::*;

    fn event(kind: HealthEventType) -> HealthEvent {
        HealthEvent { event_type: kind.into(), ..HealthEvent::default() }
    }

    /// Without it a storm would take events away that nobody ever hears of, an XID for a corrected bit.
    #[test]
    fn what_finds_no_room_is_counted_and_the_worst_stay() {
        let mut news = GpuNews::default();
        [Xid, EccSbe, Thermal].into_iter().for_each(|kind| news.add_event(event(kind)));
        (3..MAX_EVENTS).for_each(|_| news.add_event(event(Xid)));
        assert_eq!((news.events.len(), news.dropped), (MAX_EVENTS, 0));
        (0..5).for_each(|_| news.add_event(event(Xid)));
        assert_eq!((news.events.len(), news.dropped), (MAX_EVENTS, 5));
        assert!(news.events.iter().all(|event| event.event_type() == Xid));
        assert_eq!(std::mem::take(&mut news).dropped, 5);
        assert_eq!(news, GpuNews::default(), "counted once");
    }

    /// Without it a GPU that is not asked for a while would fill the memory, or its heat go unseen.
    #[test]
    fn the_last_reading_of_a_gpu_stands() {
        let mut news = GpuNews::default();
        for (uuid, corrected, temperature) in
            [("a", 1, 60), ("b", 7, 50), ("a", 2, 91), ("a", 3, 70)]
        {
            news.add_reading(GpuReading {
                gpu_uuid: uuid.to_owned(),
                corrected: Some(corrected),
                temperature: Some(temperature),
                ..GpuReading::default()
            });
        }
        let read = news.readings.iter().map(|one| (&*one.gpu_uuid, one.corrected, one.temperature));
        let read: Vec<_> = read.collect();
        assert_eq!(read, [("a", Some(3), Some(91)), ("b", Some(7), Some(50))]);
    }
}
