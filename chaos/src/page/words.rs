use std::fmt::Write as _;

/// `1,234,567`
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `340 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Milliseconds that were measured: three digits are enough.
pub(super) fn millis(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 1_000.0 => format!("{:.2} s", ms / 1e3),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// `12.3 MiB`
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// `2026-11-27 08:09 UTC`
pub(super) fn moment(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms).ok();
    let moment = moment.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(
        || "an unknown time".to_owned(),
        |at| {
            let mut text = String::new();
            // Writing to a string fails only for a format that cannot be told, and this one can.
            let _ = write!(text, "{}", at.strftime("%Y-%m-%d %H:%M UTC"));
            text
        },
    )
}

/// `1 run`, `2 runs`
pub(super) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a reader could take seconds for milliseconds.
    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        let durations = [340, 12_490, 200_000, 7_500_000].map(duration);
        assert_eq!(durations, ["340 ms", "12.4 s", "3 min 20 s", "2 h 5 min"]);
        let measured = [0.25, 19.96, 612.4, 1_512.3, 25_000.0].map(millis);
        assert_eq!(measured, ["0.2 ms", "20.0 ms", "612 ms", "1.51 s", "25.0 s"]);
        assert_eq!([12, 2_048, 3 << 20].map(bytes), ["12 B", "2.0 KiB", "3.0 MiB"]);
        assert_eq!(moment(1_767_225_601_000), "2026-01-01 00:00 UTC");
        assert_eq!(count(1, "run", "runs"), "1 run");
    }
}
