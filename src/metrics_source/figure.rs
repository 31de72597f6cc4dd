use crate::scaling::Sample;

/// A figure as a source tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Figure<T> {
    /// This source does not tell it of this pool.
    #[default]
    NotTold,
    /// It would, but has no data: why, in a few words without figures that move.
    Missing(String),
    /// It has data.
    Known(Reading<T>),
}

/// A figure and when it was so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<T> {
    /// The figure.
    pub value: T,
    /// LogTime, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What a source tells of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Percent, 0 to 100.
    pub utilization: Figure<f64>,
    /// Earlier samples of that utilisation, oldest first, one a moment for the whole pool.
    pub history: Vec<Sample>,
    /// Jobs that wait.
    pub pending_jobs: Figure<u32>,
    /// Jobs that wait or run.
    pub queue_depth: Figure<u32>,
}

impl<T> Figure<T> {
    /// Data from `at_ms`.
    pub fn known(value: T, at_ms: u64) -> Self {
        Self::Known(Reading { value, at_ms })
    }

    /// No data, and why.
    pub fn missing(why: impl Into<String>) -> Self {
        Self::Missing(why.into())
    }
}
