//! Who was heard from when. Heartbeats cost no log entry: they stop here, in the leader's memory, and a
//! compact digest of them enters the log every few seconds, so that a successor starts with history.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use navarch_fleet::{FleetState, LastSeen, LogTime, NodeNumber};
use navarch_proto::{api::NodeMetrics, fleet::Settings};

/// Nodes in one digest entry at most: about 200 KiB.
const DIGEST_CHUNK: usize = 20_000;
/// Node ids remembered that beat and are not registered, at most.
const MAX_UNKNOWN: usize = 10_000;
/// Stands for "no GPU reported".
pub const UTILIZATION_UNKNOWN: u8 = u8::MAX;

/// The leader's memory of heartbeats, indexed by node number.
#[derive(Debug, Default)]
pub struct Liveness {
    inner: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    session_opened_ms: u64,
    beats: Vec<Beat>,
    /// Who beats without being registered; kept only while a restored fleet asks.
    unknown: BTreeSet<String>,
}

/// What is remembered of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// LogTime of the last heartbeat, milliseconds; 0: none in this session.
    pub seen_ms: u64,
    /// The interval that the node was last told, milliseconds; 0: none.
    pub told_interval_ms: u32,
    /// Mean GPU utilisation, percent; [`UTILIZATION_UNKNOWN`]: no GPUs.
    pub utilization: u8,
    /// Not yet in a digest.
    fresh: bool,
}

/// One node's line in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestLine {
    /// Node number.
    pub number: u32,
    /// LogTime of the last heartbeat, milliseconds.
    pub seen_ms: u64,
    /// Mean GPU utilisation, percent; [`UTILIZATION_UNKNOWN`]: no GPUs.
    pub utilization: u8,
}

impl Liveness {
    /// Forgets an earlier session's beats; from now on nobody is silent since before `opened_ms`.
    pub fn open_session(&self, opened_ms: u64) {
        let old = {
            let mut memory = self.lock();
            memory.session_opened_ms = opened_ms;
            memory.unknown.clear();
            std::mem::take(&mut memory.beats)
        };
        drop(old);
    }

    /// Records a heartbeat, and the interval that the node is told to use next.
    pub fn beat(
        &self,
        number: NodeNumber,
        now_ms: u64,
        metrics: Option<&NodeMetrics>,
        hint_ms: u32,
    ) {
        let beat = Beat {
            seen_ms: now_ms,
            told_interval_ms: hint_ms,
            utilization: metrics.map_or(UTILIZATION_UNKNOWN, mean_utilization),
            fresh: true,
        };
        let index = number.0 as usize;
        let mut memory = self.lock();
        if memory.beats.len() <= index {
            memory.beats.resize(index + 1, Beat::default());
        }
        memory.beats[index] = beat;
    }

    /// Notes a heartbeat of a node that is not registered, in an answer to which its agent is told so.
    pub fn beat_unknown(&self, node_id: &str) {
        let mut memory = self.lock();
        if memory.unknown.len() < MAX_UNKNOWN && !memory.unknown.contains(node_id) {
            memory.unknown.insert(node_id.to_owned());
        }
    }

    /// Those of them that have not registered since: old agents never do.
    pub fn unknown_agents(&self, fleet: &FleetState) -> Vec<String> {
        let memory = self.lock();
        memory.unknown.iter().filter(|id| fleet.node(id).is_none()).cloned().collect()
    }

    /// What this session knows of a node.
    pub fn of(&self, number: NodeNumber) -> Beat {
        self.lock().beats.get(number.0 as usize).copied().unwrap_or_default()
    }

    /// What this session knows of all nodes, by node number.
    pub fn beats(&self) -> Vec<Beat> {
        self.lock().beats.clone()
    }

    /// How many nodes beat within one and a half of the intervals that they were told, or of the usual one.
    pub fn heard_lately(&self, now_ms: u64, usual_interval_ms: u32) -> usize {
        let is_heard = |beat: &&Beat| {
            let interval_ms = match beat.told_interval_ms {
                0 => usual_interval_ms,
                told_ms => told_ms,
            };
            let silence_ms = u64::from(interval_ms).saturating_mul(3) / 2;
            beat.seen_ms != 0 && now_ms.saturating_sub(beat.seen_ms) < silence_ms
        };
        self.lock().beats.iter().filter(is_heard).count()
    }

    /// A node's last heartbeat, as far as log and memory know.
    pub fn last_seen(&self, fleet: &FleetState, number: NodeNumber) -> Option<LastSeen> {
        let beat = self.of(number);
        let heard = (beat.seen_ms != 0).then(|| LastSeen {
            at: LogTime::from_ms(beat.seen_ms),
            utilization: (beat.utilization != UTILIZATION_UNKNOWN).then_some(beat.utilization),
        });
        let logged = fleet.last_seen(number);
        heard.into_iter().chain(logged).max_by_key(|seen| seen.at)
    }

    /// LogTime of that heartbeat in milliseconds; 0: never.
    pub fn last_seen_ms(&self, fleet: &FleetState, number: NodeNumber) -> u64 {
        self.last_seen(fleet, number).map_or(0, |seen| seen.at.as_ms())
    }

    /// LogTime at which the session opened, in milliseconds.
    pub fn session_opened_ms(&self) -> u64 {
        self.lock().session_opened_ms
    }

    /// Takes the beats since the last call, in chunks that are ascending by number.
    pub fn take_digest(&self) -> Vec<Vec<DigestLine>> {
        let mut memory = self.lock();
        let mut lines = Vec::new();
        for (number, beat) in (0_u32..).zip(memory.beats.iter_mut()) {
            if std::mem::take(&mut beat.fresh) {
                let Beat { seen_ms, utilization, .. } = *beat;
                lines.push(DigestLine { number, seen_ms, utilization });
            }
        }
        drop(memory);
        lines.chunks(DIGEST_CHUNK).map(<[DigestLine]>::to_vec).collect()
    }

    /// Has the next digest hold these beats again, unless newer ones have come.
    pub fn put_back(&self, lines: &[DigestLine]) {
        let mut memory = self.lock();
        for line in lines {
            let beat = memory.beats.get_mut(line.number as usize);
            if let Some(beat) = beat.filter(|beat| beat.seen_ms == line.seen_ms) {
                beat.fresh = true;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The heartbeat interval for a fleet of `nodes`: the configured one, stretched until the whole fleet's rate
/// stays under the configured bound.
pub fn interval_hint_ms(settings: &Settings, nodes: usize) -> u32 {
    let rate = u64::from(settings.max_heartbeats_per_second.max(1));
    let stretched = (nodes as u64).saturating_mul(1_000).div_ceil(rate);
    u32::try_from(settings.heartbeat_interval_ms.max(stretched)).unwrap_or(u32::MAX)
}

/// How long a node may be silent: the larger of the configured time-out and three times the interval that
/// it was last told.
pub fn timeout_ms(settings: &Settings, told_interval_ms: u32) -> u64 {
    settings.heartbeat_timeout_ms.max(u64::from(told_interval_ms).saturating_mul(3))
}

fn mean_utilization(metrics: &NodeMetrics) -> u8 {
    let gpus = &metrics.gpu_metrics;
    if gpus.is_empty() {
        return UTILIZATION_UNKNOWN;
    }
    let sum: f64 = gpus.iter().map(|gpu| gpu.utilization_percent.clamp(0.0, 100.0)).sum();
    let mean = (sum / gpus.len() as f64).round();
    // A NaN among the figures says nothing about the others.
    if mean.is_nan() { UTILIZATION_UNKNOWN } else { to_percent(mean) }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value was clamped to 0..=100"
)]
fn to_percent(mean: f64) -> u8 {
    mean.clamp(0.0, 100.0) as u8
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::GpuMetrics;

    use super::*;

    fn settings() -> Settings {
        Settings {
            heartbeat_interval_ms: 10_000,
            heartbeat_timeout_ms: 30_000,
            max_heartbeats_per_second: 20_000,
            ..Settings::default()
        }
    }

    /// Without it a growing fleet would drown the leader in heartbeats.
    #[test]
    fn the_hint_bounds_the_rate() {
        for (nodes, hint) in [(0, 10_000), (130_000, 10_000), (200_000, 10_000), (400_000, 20_000)]
        {
            assert_eq!(interval_hint_ms(&settings(), nodes), hint, "{nodes} nodes");
        }
    }

    /// Without it a node that was told to beat slowly would be lost for obeying.
    #[test]
    fn the_timeout_follows_the_told_interval() {
        assert_eq!(timeout_ms(&settings(), 0), 30_000);
        assert_eq!(timeout_ms(&settings(), 20_000), 60_000);
    }

    /// Without it a digest would repeat old beats, or lose one that came between two digests.
    #[test]
    fn a_digest_takes_each_beat_once() {
        let liveness = Liveness::default();
        liveness.open_session(1_000);
        let metrics = NodeMetrics {
            gpu_metrics: [50.0, 100.0]
                .map(|percent| GpuMetrics { utilization_percent: percent, ..GpuMetrics::default() })
                .to_vec(),
            ..NodeMetrics::default()
        };
        liveness.beat(NodeNumber(7), 2_000, Some(&metrics), 10_000);
        liveness.beat(NodeNumber(2), 2_500, None, 10_000);
        let expected = vec![
            DigestLine { number: 2, seen_ms: 2_500, utilization: UTILIZATION_UNKNOWN },
            DigestLine { number: 7, seen_ms: 2_000, utilization: 75 },
        ];
        assert_eq!(liveness.take_digest(), [expected]);
        assert!(liveness.take_digest().is_empty());
    }

    /// Without it the beats of a digest that never reached the log would be missing from a successor's history.
    #[test]
    fn a_digest_that_failed_is_taken_again() {
        let liveness = Liveness::default();
        liveness.beat(NodeNumber(1), 1_000, None, 10_000);
        liveness.beat(NodeNumber(2), 1_000, None, 10_000);
        let taken = liveness.take_digest();
        liveness.beat(NodeNumber(2), 3_000, None, 10_000);
        liveness.put_back(&taken[0]);
        let seen: Vec<(u32, u64)> =
            liveness.take_digest()[0].iter().map(|line| (line.number, line.seen_ms)).collect();
        assert_eq!(seen, [(1, 1_000), (2, 3_000)]);
        assert!(liveness.take_digest().is_empty());
    }

    /// Without it agents that never register again would go unnoticed after a restore.
    #[test]
    fn who_beats_without_being_registered_is_remembered_for_a_session() {
        let liveness = Liveness::default();
        for id in ["n-2", "n-1", "n-2"] {
            liveness.beat_unknown(id);
        }
        assert_eq!(liveness.unknown_agents(&FleetState::default()), ["n-1", "n-2"]);
        liveness.open_session(1);
        assert!(liveness.unknown_agents(&FleetState::default()).is_empty());
    }

    /// Without it a new leader would take beats of its earlier tenure for beats of this one.
    #[test]
    fn a_session_starts_afresh_but_remembers_the_log() {
        let liveness = Liveness::default();
        liveness.beat(NodeNumber(1), 1_000, None, 10_000);
        liveness.open_session(5_000);
        assert_eq!(liveness.of(NodeNumber(1)), Beat::default());
        assert_eq!(liveness.session_opened_ms(), 5_000);
        assert_eq!(liveness.last_seen(&FleetState::default(), NodeNumber(1)), None);
    }
}
