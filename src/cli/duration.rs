use std::time::Duration;

use crate::config::{DurationError, parse_duration};

/// Reads a duration as configuration files have it: `30s`, `1h30m`, `0`.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

/// Reads a duration that must not be zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("`{text}` is no time at all: use at least `1ms`")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

/// Milliseconds, for messages that carry them.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a flag could mean another time than the same text in a configuration file, or a mistyped
    /// one be taken for another.
    #[test]
    fn durations_are_those_of_configuration_files() {
        for (text, expected) in
            [("0", 0), ("30s", 30_000), ("1h30m", 5_400_000), ("1.5h", 5_400_000)]
        {
            assert_eq!(parse(text).map(millis), Ok(expected), "{text}");
        }
        for text in ["", "30", "1x", "-5s", "1 h"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_positive("0s").unwrap_err().contains("`0s`"));
        assert_eq!(parse_positive("1ms").map(millis), Ok(1));
    }
}
