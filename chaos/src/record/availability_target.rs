use super::AvailabilityRecord;

/// What is claimed of the time that a client waits for its first write after a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvailabilityTarget {
    /// Half of the faults cost no more, milliseconds; `None`: nothing is claimed of them.
    pub p50_ms: Option<f64>,
    /// None costs more, milliseconds.
    pub max_ms: f64,
    /// Whether no call may fail.
    pub no_failed_call: bool,
}

impl AvailabilityTarget {
    /// That of a leader which is killed.
    const KILL: Self = Self { p50_ms: Some(750.0), max_ms: 1_500.0, no_failed_call: false };

    /// That of a leader which hands over before it goes.
    const HAND_OVER: Self = Self { p50_ms: None, max_ms: 20.0, no_failed_call: true };

    /// What is claimed of `fault`, by its name in an [`AvailabilityRecord`].
    pub fn of(fault: &str) -> Option<Self> {
        match fault {
            "kill" => Some(Self::KILL),
            "transfer" | "rolling-restart" | "rolling-upgrade" => Some(Self::HAND_OVER),
            _ => None,
        }
    }

    /// In words: `p50 750 ms, max 1500 ms`.
    pub fn words(&self) -> String {
        let p50 = self.p50_ms.map(|p50| format!("p50 {p50:.0} ms, ")).unwrap_or_default();
        let calls = if self.no_failed_call { ", no failed call" } else { "" };
        format!("{p50}max {:.0} ms{calls}", self.max_ms)
    }

    /// Where `record` misses it, in words.
    pub(super) fn misses(&self, record: &AvailabilityRecord) -> Vec<String> {
        let AvailabilityRecord { fault, load, first_write, failed_calls, .. } = record;
        let mut misses = Vec::new();
        let mut above = |what: &str, seen: f64, most: f64| {
            if seen > most {
                misses
                    .push(format!("{fault}, {load}: {what} {seen:.1} ms, {most:.0} ms is claimed"));
            }
        };
        if let Some(p50_ms) = self.p50_ms {
            above("p50", first_write.p50_ms, p50_ms);
        }
        above("max", first_write.max_ms, self.max_ms);
        if self.no_failed_call && *failed_calls > 0 {
            misses.push(format!("{fault}, {load}: {failed_calls} calls failed, none is claimed"));
        }
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Spread;

    /// Without it a release could be slower to come back than what it claims, and say nothing.
    #[test]
    fn misses_are_told() {
        let table = [
            ("navarch", "kill", 750.0, 1_500.0, 1, 0),
            ("navarch", "kill", 750.1, 1_500.0, 0, 1),
            ("navarch", "kill", 800.0, 1_501.0, 0, 2),
            ("etcd", "kill", 800.0, 1_501.0, 0, 0),
            ("navarch", "pause", 9_000.0, 9_000.0, 0, 0),
            ("navarch", "transfer", 19.0, 20.0, 0, 0),
            ("navarch", "rolling-restart", 19.0, 21.0, 2, 2),
        ];
        for (system, fault, p50_ms, max_ms, failed_calls, misses) in table {
            let record = AvailabilityRecord {
                system: system.to_owned(),
                fault: fault.to_owned(),
                load: "idle".to_owned(),
                detect: None,
                elect: None,
                first_write: Spread { count: 1, p50_ms, p99_ms: max_ms, max_ms },
                first_act: None,
                recovery: None,
                lowest_percent: None,
                failed_calls,
                acknowledged_calls: 1,
            };
            assert_eq!(record.misses().len(), misses, "{record:?}");
        }
    }
}
