use std::collections::{BTreeMap, HashMap};

use navarch_proto::{
    api::{HealthEvent, HealthEventType, HealthWatchSystem},
    timestamp::from_unix_ms,
};

use super::GpuReading;
use crate::agent::outbox::{GpuCounters, KeptCounters};

/// A GPU that cooled down by so much below its threshold is told of anew when it heats up again, degrees.
const COOLED_BY: u32 = 5;
/// A hot GPU that became hotter by so much is told of again, degrees.
const HOTTER_BY: u32 = 3;
/// GPUs whose counters are remembered: beyond it those that are not in the machine any more are forgotten.
const MAX_REMEMBERED: usize = 256;

/// Makes events of figures that only grow, and of heat.
#[derive(Debug, Default)]
pub(in crate::agent) struct Counters {
    boot: String,
    known: BTreeMap<String, Known>,
    /// Whether counters are not what they were when they were handed out last.
    changed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    corrected: Option<u64>,
    uncorrected: Option<u64>,
    /// The temperature that was told; none: it was not hot.
    told: Option<u32>,
    /// Read by this agent, not only by one before it.
    is_here: bool,
}

impl Counters {
    /// Goes on from what an agent before this one saw last. The driver counts from 0 in each boot, so that what it
    /// counts in another one is all news.
    pub(in crate::agent) fn resume(kept: Option<KeptCounters>, boot: String) -> Self {
        let kept = kept.unwrap_or_default();
        let same_boot = kept.boot == boot;
        let changed = !same_boot && !kept.gpus.is_empty();
        let then = |count: Option<u64>| if same_boot { count } else { count.map(|_| 0) };
        let known = kept.gpus.into_iter().map(|gpu| {
            let (corrected, uncorrected) = (then(gpu.corrected), then(gpu.uncorrected));
            (gpu.uuid, Known { corrected, uncorrected, ..Known::default() })
        });
        Self { boot, known: known.collect(), changed }
    }

    /// The counters as they were read last, to be kept; none: they are what they were.
    pub(in crate::agent) fn take_changed(&mut self) -> Option<KeptCounters> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        if self.known.len() > MAX_REMEMBERED {
            self.known.retain(|_, known| known.is_here);
        }
        let gpus = self.known.iter().map(|(uuid, known)| GpuCounters {
            uuid: uuid.clone(),
            corrected: known.corrected,
            uncorrected: known.uncorrected,
        });
        Some(KeptCounters { boot: self.boot.clone(), gpus: gpus.collect() })
    }

    /// What is new of a GPU since it was read last, by this agent or the one before it. The first reading ever is where
    /// counting begins.
    pub(in crate::agent) fn read(&mut self, reading: &GpuReading) -> Vec<HealthEvent> {
        let known = self.known.entry(reading.gpu_uuid.clone()).or_default();
        let before = (known.corrected, known.uncorrected);
        known.is_here = true;
        let mut events = Vec::new();
        let mut push = |event_type: HealthEventType, system: HealthWatchSystem, words, metrics| {
            events.push(HealthEvent {
                timestamp: Some(from_unix_ms(reading.wall_ms)),
                gpu_index: reading.gpu_index,
                gpu_uuid: reading.gpu_uuid.clone(),
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
        self.changed |= before != (known.corrected, known.uncorrected);
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
    use HealthEventType::{EccDbe, EccSbe};

    use super::*;

    fn errors(corrected: u64, uncorrected: u64) -> GpuReading {
        GpuReading {
            gpu_index: 2,
            gpu_uuid: "GPU-2".to_owned(),
            wall_ms: 1_000,
            corrected: Some(corrected),
            uncorrected: Some(uncorrected),
            ..GpuReading::default()
        }
    }

    fn told(counters: &mut Counters, reading: &GpuReading) -> Vec<(HealthEventType, String)> {
        let one = |event: HealthEvent| {
            let value = event.metrics.into_values().next();
            (HealthEventType::try_from(event.event_type).unwrap(), value.unwrap())
        };
        counters.read(reading).into_iter().map(one).collect()
    }

    /// Without it errors of a machine's whole life would be told at each start of an agent, or new ones not at all.
    #[test]
    fn errors_are_told_as_they_come() {
        let mut counters = Counters::default();
        let mut read =
            |corrected, uncorrected| told(&mut counters, &errors(corrected, uncorrected));
        assert_eq!(read(700, 1), []);
        assert_eq!(read(700, 1), []);
        assert_eq!(read(850, 1), [(EccSbe, "150".to_owned())]);
        assert_eq!(read(851, 3), [(EccDbe, "2".to_owned()), (EccSbe, "1".to_owned())]);
        // The driver was loaded anew.
        assert_eq!(read(4, 0), [(EccSbe, "4".to_owned())]);
        let silent = GpuReading { gpu_uuid: "GPU-2".to_owned(), ..GpuReading::default() };
        assert_eq!(told(&mut counters, &silent), []);
    }

    /// Without it errors that come while no agent runs would be known to nobody, or be told at each start again.
    #[test]
    fn errors_of_the_time_between_two_agents_are_told_once() {
        let boot = |name: &str| name.to_owned();
        let mut first = Counters::resume(None, boot("b1"));
        assert_eq!(first.take_changed(), None, "nothing to keep yet");
        assert_eq!(told(&mut first, &errors(10, 0)), []);
        let kept = first.take_changed();
        assert_eq!(told(&mut first, &errors(10, 0)), []);
        assert_eq!(first.take_changed(), None, "nothing new to keep");
        let mut second = Counters::resume(kept, boot("b1"));
        let expected = [(EccDbe, "1".to_owned()), (EccSbe, "4".to_owned())];
        assert_eq!(told(&mut second, &errors(14, 1)), expected);
        let kept = second.take_changed();
        // The driver was loaded anew meanwhile: fewer than before, and all of them new.
        let mut third = Counters::resume(kept.clone(), boot("b1"));
        assert_eq!(told(&mut third, &errors(3, 0)), [(EccSbe, "3".to_owned())]);
        // So it is after a boot, however many there are.
        let mut fourth = Counters::resume(kept, boot("b2"));
        assert_eq!(told(&mut fourth, &errors(20, 0)), [(EccSbe, "20".to_owned())]);
        let mut fifth = Counters::resume(fourth.take_changed(), boot("b2"));
        assert_eq!(told(&mut fifth, &errors(20, 0)), []);
        // A boot without a new error is remembered as well.
        let mut sixth = Counters::resume(third.take_changed(), boot("b2"));
        assert_eq!(told(&mut sixth, &errors(0, 0)), []);
        assert_eq!(sixth.take_changed().map(|kept| kept.boot), Some(boot("b2")));
    }

    /// Without it the counters of GPUs that were taken out would be kept for ever.
    #[test]
    fn gpus_that_are_gone_are_forgotten_in_the_end() {
        let gone = (0..MAX_REMEMBERED).map(|number| GpuCounters {
            uuid: format!("gone-{number}"),
            corrected: Some(1),
            uncorrected: None,
        });
        let kept = KeptCounters { boot: "b1".to_owned(), gpus: gone.collect() };
        let mut counters = Counters::resume(Some(kept), "b1".to_owned());
        counters.read(&errors(1, 0));
        let uuids: Vec<_> = counters.take_changed().unwrap().gpus;
        assert_eq!(uuids.iter().map(|gpu| &*gpu.uuid).collect::<Vec<_>>(), ["GPU-2"]);
    }

    /// Without it a hot GPU would be told of with every reading, or not when it becomes dangerous.
    #[test]
    fn heat_is_told_when_it_comes_and_when_it_grows() {
        let mut counters = Counters::default();
        let told = [80, 87, 88, 89, 90, 95, 95, 86, 88, 83, 88].map(|temperature| {
            let reading = GpuReading {
                temperature: Some(temperature),
                slowdown: Some(88),
                ..GpuReading::default()
            };
            let events = counters.read(&reading);
            events.first().map(|event| event.metrics["temperature"].clone())
        });
        let hot = |degrees: &str| Some(degrees.to_owned());
        let expected =
            [None, None, hot("88"), None, None, hot("95"), None, None, None, None, hot("88")];
        assert_eq!(told, expected);
    }
}
