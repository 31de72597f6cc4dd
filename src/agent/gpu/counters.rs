use std::collections::{BTreeMap, HashMap};

use navarch_proto::api::{HealthEvent, HealthEventType, HealthWatchSystem};

use crate::agent::shared::timestamp;

/// A GPU that cooled down by so much below its threshold is told of anew when it heats up again, degrees.
const COOLED_BY: u32 = 5;
/// A hot GPU that became hotter by so much is told of again, degrees.
const HOTTER_BY: u32 = 3;

/// What a GPU tells when it is asked; none: this board does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Memory errors since the driver was loaded.
    pub(super) corrected: Option<u64>,
    pub(super) uncorrected: Option<u64>,
    /// Degrees Celsius.
    pub(super) temperature: Option<u32>,
    /// Where the hardware begins to slow down.
    pub(super) slowdown: Option<u32>,
}

/// Makes events of figures that only grow, and of heat.
#[derive(Debug, Default)]
pub(super) struct Counters(BTreeMap<String, Known>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    corrected: Option<u64>,
    uncorrected: Option<u64>,
    /// The temperature that was told; none: it was not hot.
    told: Option<u32>,
}

impl Counters {
    /// What is new of a GPU since it was read last. The first reading is where counting begins.
    pub(super) fn read(
        &mut self,
        (index, uuid): (i32, &str),
        reading: Reading,
        wall_ms: u64,
    ) -> Vec<HealthEvent> {
        let known = self.0.entry(uuid.to_owned()).or_default();
        let mut events = Vec::new();
        let mut push = |event_type: HealthEventType, system: HealthWatchSystem, words, metrics| {
            events.push(HealthEvent {
                timestamp: Some(timestamp(wall_ms)),
                gpu_index: index,
                gpu_uuid: uuid.to_owned(),
                system: system.into(),
                event_type: event_type.into(),
                message: words,
                metrics,
                event_id: String::new(),
            });
        };
        let memory = HealthWatchSystem::Mem;
        if let Some(more) = grown(&mut known.uncorrected, reading.uncorrected) {
            let words = format!("{more} uncorrected memory errors");
            push(HealthEventType::EccDbe, memory, words, one("ecc_dbe_count", more));
        }
        if let Some(more) = grown(&mut known.corrected, reading.corrected) {
            let words = format!("{more} corrected memory errors");
            push(HealthEventType::EccSbe, memory, words, one("ecc_sbe_count", more));
        }
        if let (Some(now), Some(limit)) = (reading.temperature, reading.slowdown) {
            let hotter = known.told.is_none_or(|told| now >= told + HOTTER_BY);
            if now >= limit && hotter {
                known.told = Some(now);
                let words = format!("{now} degrees; the hardware slows down at {limit}");
                let metrics = one("temperature", now.into());
                push(HealthEventType::Thermal, HealthWatchSystem::Thermal, words, metrics);
            }
            if now + COOLED_BY <= limit {
                known.told = None;
            }
        }
        events
    }
}

/// By how much a counter has grown; one that fell was reset, and counts from 0.
fn grown(known: &mut Option<u64>, now: Option<u64>) -> Option<u64> {
    let now = now?;
    let before = known.replace(now)?;
    let more = if now < before { now } else { now - before };
    (more > 0).then_some(more)
}

fn one(name: &str, value: u64) -> HashMap<String, String> {
    [(name.to_owned(), value.to_string())].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it errors of a machine's whole life would be told at each start of an agent, or new ones not at all.
    #[test]
    fn errors_are_told_as_they_come() {
        let mut counters = Counters::default();
        let mut read = |corrected: u64, uncorrected: u64| {
            let reading = Reading {
                corrected: Some(corrected),
                uncorrected: Some(uncorrected),
                ..Reading::default()
            };
            let events = counters.read((2, "GPU-2"), reading, 1_000);
            let one = |event: HealthEvent| {
                let value = event.metrics.into_values().next();
                (HealthEventType::try_from(event.event_type).unwrap(), value.unwrap())
            };
            events.into_iter().map(one).collect::<Vec<_>>()
        };
        use HealthEventType::{EccDbe, EccSbe};
        assert_eq!(read(700, 1), []);
        assert_eq!(read(700, 1), []);
        assert_eq!(read(850, 1), [(EccSbe, "150".to_owned())]);
        assert_eq!(read(851, 3), [(EccDbe, "2".to_owned()), (EccSbe, "1".to_owned())]);
        // The driver was loaded anew.
        assert_eq!(read(4, 0), [(EccSbe, "4".to_owned())]);
        let silent = counters.read((2, "GPU-2"), Reading::default(), 1_000);
        assert_eq!(silent, []);
    }

    /// Without it a hot GPU would be told of with every reading, or not when it becomes dangerous.
    #[test]
    fn heat_is_told_when_it_comes_and_when_it_grows() {
        let mut counters = Counters::default();
        let told = [80, 87, 88, 89, 90, 95, 95, 86, 88, 83, 88].map(|temperature| {
            let reading = Reading {
                temperature: Some(temperature),
                slowdown: Some(88),
                ..Reading::default()
            };
            let events = counters.read((0, "GPU-0"), reading, 0);
            events.first().map(|event| event.metrics["temperature"].clone())
        });
        let hot = |degrees: &str| Some(degrees.to_owned());
        let expected =
            [None, None, hot("88"), None, None, hot("95"), None, None, None, None, hot("88")];
        assert_eq!(told, expected);
    }
}
