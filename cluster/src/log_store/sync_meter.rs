use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Syncs of the log, counted since it was opened: what the disk costs every write.
#[derive(Debug, Default)]
pub(crate) struct SyncMeter {
    count: AtomicU64,
    total_us: AtomicU64,
    longest_us: AtomicU64,
}

/// What the syncs of a log came to since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSyncs {
    /// How many batches were written and synced.
    pub count: u64,
    /// How long all of them took together.
    pub total: Duration,
    /// How long the longest took.
    pub longest: Duration,
}

impl SyncMeter {
    pub(super) fn record(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(took_us, Ordering::Relaxed);
        self.longest_us.fetch_max(took_us, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> LogSyncs {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogSyncs {
            count: read(&self.count),
            total: Duration::from_micros(read(&self.total_us)),
            longest: Duration::from_micros(read(&self.longest_us)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a slow disk would not show.
    #[test]
    fn syncs_are_summed_and_the_longest_kept() {
        let meter = SyncMeter::default();
        for took_ms in [2, 5, 3] {
            meter.record(Duration::from_millis(took_ms));
        }
        let (total, longest) = (Duration::from_millis(10), Duration::from_millis(5));
        assert_eq!(meter.read(), LogSyncs { count: 3, total, longest });
    }
}
