//! The wire's times, and the milliseconds since the Unix epoch that the rest counts in.

use prost_types::Timestamp;

/// As the wire writes it.
pub fn from_unix_ms(unix_ms: u64) -> Timestamp {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(unix_ms % 1_000).unwrap_or_default() * 1_000_000;
    Timestamp { seconds, nanos }
}

/// Milliseconds since the Unix epoch, rounded down; what is negative counts as 0.
pub fn to_unix_ms(time: &Timestamp) -> u64 {
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    let nanos = u64::try_from(time.nanos).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it ages and time-outs would be off by a thousand, or a bad clock end the process.
    #[test]
    fn times_survive_the_round_trip_and_bad_ones_are_bounded() {
        for unix_ms in [0, 1, 999, 1_000, 1_700_000_000_123] {
            assert_eq!(to_unix_ms(&from_unix_ms(unix_ms)), unix_ms);
        }
        let time = |seconds, nanos| to_unix_ms(&Timestamp { seconds, nanos });
        assert_eq!(time(1, 1_999_999), 1_001);
        assert_eq!(time(-1, 5_000_000), 5);
        assert_eq!(time(2, -1), 2_000);
        assert_eq!(time(i64::MAX, 0), u64::MAX);
    }
}
