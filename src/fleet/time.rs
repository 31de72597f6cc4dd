use std::fmt;

/// 9999-12-31T23:59:59.999Z: the last time that a protobuf timestamp can hold.
const LAST_MS: u64 = 253_402_300_799_999;

/// Time as the log tells it: milliseconds since the Unix epoch, never going back.
///
/// Everything that waits (deadlines, cooldowns, retention) is compared with the state's own `LogTime`, so
/// that all replicas come to the same answer and a change of leader moves no deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTime(u64);

impl LogTime {
    /// Milliseconds since the Unix epoch; held to the year 9999.
    pub fn from_ms(ms: u64) -> Self {
        Self(ms.min(LAST_MS))
    }

    /// A time on the wire, where 0 means that there is none.
    pub fn optional(ms: u64) -> Option<Self> {
        (ms != 0).then(|| Self::from_ms(ms))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_ms(self) -> u64 {
        self.0
    }

    /// `ms` milliseconds later.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// `ms` milliseconds earlier; not before the epoch.
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// As the wire shows it.
    pub fn to_timestamp(self) -> prost_types::Timestamp {
        navarch_proto::timestamp::from_unix_ms(self.0)
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ms", self.0)
    }
}

/// The wire's 0 for a time that there is none of.
pub(crate) fn ms_or_zero(time: Option<LogTime>) -> u64 {
    time.map_or(0, LogTime::as_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stamp beyond what a timestamp holds would make every answer that shows it undecodable.
    #[test]
    fn is_held_to_what_a_timestamp_can_say() {
        let last = LogTime::from_ms(u64::MAX).to_timestamp();
        assert_eq!((last.seconds, last.nanos), (253_402_300_799, 999_000_000));
        assert_eq!(LogTime::from_ms(u64::MAX).plus_ms(u64::MAX), LogTime::from_ms(LAST_MS));
        assert_eq!(LogTime::from_ms(5).minus_ms(6), LogTime::from_ms(0));
        assert_eq!(LogTime::optional(0), None);
    }
}
