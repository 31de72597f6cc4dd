use navarch_proto::timestamp::to_unix_ms;
use prost_types::Timestamp;

const SECOND_MS: u64 = 1_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What a table shows for a time that is not known.
const UNKNOWN: &str = "-";

/// How long ago `time` was, like `3m5s` or `4d2h`.
pub(crate) fn age(time: Option<&Timestamp>, now_ms: u64) -> String {
    match time {
        Some(time) => humanise(now_ms.saturating_sub(to_unix_ms(time))),
        None => UNKNOWN.to_owned(),
    }
}

/// How far ahead `time` is; `-` when it is not set or has passed.
pub(crate) fn ahead(time: Option<&Timestamp>, now_ms: u64) -> String {
    match time.map(to_unix_ms) {
        Some(at) if at > now_ms => humanise(at - now_ms),
        _ => UNKNOWN.to_owned(),
    }
}

/// A time as RFC 3339 in UTC.
pub(crate) fn rfc3339(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| UNKNOWN.to_owned(), Timestamp::to_string)
}

/// A span of time in at most two units, as precise as its size deserves.
pub(crate) fn humanise(ms: u64) -> String {
    let seconds = ms / SECOND_MS;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        691_200.. => format!("{}d", seconds / DAY),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        return format!("{large}{large_unit}");
    }
    format!("{large}{large_unit}{small}{small_unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an age column could mislead by a unit.
    #[test]
    fn ages_are_short_and_precise_enough() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (125, "2m5s"),
            (180, "3m"),
            (3_600, "60m"),
            (3 * 3_600 + 300, "3h5m"),
            (30 * 3_600, "30h"),
            (4 * 86_400 + 7_200, "4d2h"),
            (400 * 86_400, "400d"),
        ];
        for (seconds, expected) in table {
            assert_eq!(humanise(seconds * 1_000), expected);
        }
    }

    /// Without it a node that never beat would look as old as the epoch, and a passed hold as a hold.
    #[test]
    fn unknown_and_passed_times_show_a_dash() {
        let time = Timestamp { seconds: 100, nanos: 0 };
        assert_eq!(age(None, 5_000), "-");
        assert_eq!(age(Some(&time), 50_000), "0s");
        assert_eq!(ahead(Some(&time), 100_000), "-");
        assert_eq!(ahead(Some(&time), 40_000), "60s");
    }
}
