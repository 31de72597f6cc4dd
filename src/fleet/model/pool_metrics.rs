use crate::time::LogTime;

/// What was told of a pool from outside. Each figure expires by itself, since different systems may tell them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoolMetrics {
    /// Jobs that wait.
    pub pending_jobs: Option<Told<u32>>,
    /// Jobs that wait or run.
    pub queue_depth: Option<Told<u32>>,
    /// Percent, 0 to 100.
    pub utilization: Option<Told<f64>>,
}

/// A figure that was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told<T> {
    /// The figure.
    pub value: T,
    /// When it was told.
    pub at: LogTime,
    /// From then on it says nothing.
    pub until: LogTime,
}

impl<T> Told<T> {
    /// Whether it still holds.
    pub fn holds_at(&self, now: LogTime) -> bool {
        now < self.until
    }
}

impl PoolMetrics {
    /// What still holds.
    pub(crate) fn without_expired(self, now: LogTime) -> Self {
        Self {
            pending_jobs: self.pending_jobs.filter(|told| told.holds_at(now)),
            queue_depth: self.queue_depth.filter(|told| told.holds_at(now)),
            utilization: self.utilization.filter(|told| told.holds_at(now)),
        }
    }

    /// Whether nothing is told.
    pub(crate) fn is_empty(&self) -> bool {
        self.next_expiry().is_none()
    }

    /// When the next figure expires.
    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        let counts = [self.pending_jobs, self.queue_depth].map(|told| told.map(|told| told.until));
        counts.into_iter().flatten().chain(self.utilization.map(|told| told.until)).min()
    }
}
