use std::time::Duration;

const NANOS_PER_SECOND: f64 = 1e9;

/// Units of a Go-style duration, longest spelling first where one is the beginning of another.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", NANOS_PER_SECOND),
    ("m", 60.0 * NANOS_PER_SECOND),
    ("h", 3_600.0 * NANOS_PER_SECOND),
];

/// About 292 years, the longest that Go's type holds.
const LONGEST_SECONDS: f64 = 9_223_372_036.0;

/// Reads a Go-style duration: `30s`, `1h30m`, `1.5h`, `250ms`, `0`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong(text))?;
        let letters = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| wrong(text))?;
        nanos += number * scale;
        rest = tail;
    }
    if text.is_empty() || nanos / NANOS_PER_SECOND > LONGEST_SECONDS {
        return Err(wrong(text));
    }
    Ok(Duration::from_secs_f64(nanos / NANOS_PER_SECOND))
}

/// Reads a duration that must not be zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all: use at least `1ms`")),
        duration => Ok(duration),
    }
}

/// Milliseconds, for messages that carry them.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no duration: write a number with ns, us, ms, s, m or h, like `30s` or `1h30m`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a flag could mean another time than the same text in a configuration file.
    #[test]
    fn go_style_durations_are_read() {
        let table = [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1m0.5s", 60_500),
            ("1500us", 1),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(millis), Ok(expected), "{text}");
        }
    }

    /// Without it a mistyped time would be taken for another one.
    #[test]
    fn anything_else_is_refused_with_the_text() {
        for text in ["", "30", "s", "1x", "-5s", "1h-1m", "1.2.3s", "1 h", "9999999999h"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
        assert!(parse_positive("0s").is_err());
    }
}
