//! Durations as Go writes them: `30s`, `1h30m`, `1.5h`, `500ms`.

use std::time::Duration;

/// Nothing here waits longer than ten years.
const MAX_MS: u128 = 10 * 365 * 24 * 3_600 * 1_000;

const UNITS_NS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Why a text is no duration that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `NUMBER UNIT NUMBER UNIT ...`.
    #[error(
        "`{0}` is not a duration: write one like `30s`, `5m` or `1h30m` (units ns, us, ms, s, m, h)"
    )]
    Malformed(String),
    /// A number alone.
    #[error("`{0}` has no unit: write `{0}s` for seconds")]
    NoUnit(String),
    /// Below zero.
    #[error("`{0}` is negative: a duration is zero or more")]
    Negative(String),
    /// Above ten years.
    #[error("`{0}` is more than ten years")]
    TooLong(String),
    /// More than zero and less than a millisecond.
    #[error("`{0}` is less than a millisecond, the smallest step here")]
    TooShort(String),
}

/// Reads a Go-style duration, rounded down to milliseconds.
///
/// # Errors
///
/// [`DurationError`] says what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let owned = || text.chars().take(40).collect::<String>();
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Some(rest) = unsigned.strip_prefix('-') {
        return match nanoseconds(rest) {
            Some(_) => Err(DurationError::Negative(owned())),
            None => Err(DurationError::Malformed(owned())),
        };
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if !unsigned.is_empty() && unsigned.chars().all(|letter| letter.is_ascii_digit()) {
        return Err(DurationError::NoUnit(owned()));
    }
    let total = nanoseconds(unsigned).ok_or_else(|| DurationError::Malformed(owned()))?;
    let millis = total / 1_000_000;
    if millis > MAX_MS {
        return Err(DurationError::TooLong(owned()));
    }
    if total > 0 && millis == 0 {
        return Err(DurationError::TooShort(owned()));
    }
    u64::try_from(millis).map(Duration::from_millis).map_err(|_| DurationError::TooLong(owned()))
}

/// Writes milliseconds as Go would, without the zero parts: `1h30m`, `1.5s`, `0s`.
pub fn format_millis(millis: u64) -> String {
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, rest) = (millis / 1_000 % 60, millis % 1_000);
    if millis < 1_000 && millis > 0 {
        return format!("{millis}ms");
    }
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    if rest > 0 {
        let fraction = format!("{rest:03}");
        text.push_str(&format!("{seconds}.{}s", fraction.trim_end_matches('0')));
    } else if seconds > 0 || text.is_empty() {
        text.push_str(&format!("{seconds}s"));
    }
    text
}

/// `None` if the text does not follow the grammar; saturates far above [`MAX_MS`].
fn nanoseconds(text: &str) -> Option<u128> {
    let mut rest = text;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole = digits(rest);
        let after_whole = &rest[whole.len()..];
        let fraction = after_whole.strip_prefix('.').map(digits);
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return None;
        }
        let unit_text = match fraction {
            Some(fraction) => &after_whole[1 + fraction.len()..],
            None => after_whole,
        };
        let is_number = |letter: char| letter == '.' || letter.is_ascii_digit();
        let unit_end = unit_text.find(is_number).unwrap_or(unit_text.len());
        let (unit, next) = unit_text.split_at(unit_end);
        let (_, scale) = UNITS_NS.iter().find(|(name, _)| *name == unit)?;
        total = total.saturating_add(scaled(whole, *scale));
        total = total.saturating_add(scaled_fraction(fraction.unwrap_or_default(), *scale));
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

fn digits(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

fn scaled(digits: &str, scale: u128) -> u128 {
    let add = |number: u128, digit: u8| {
        number.saturating_mul(10).saturating_add(u128::from(digit - b'0'))
    };
    digits.bytes().fold(0, add).saturating_mul(scale)
}

/// Digits after the point; those below a nanosecond do not count.
fn scaled_fraction(digits: &str, scale: u128) -> u128 {
    let mut unit = scale;
    let mut sum = 0;
    for digit in digits.bytes() {
        unit /= 10;
        sum += unit * u128::from(digit - b'0');
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a file of the original could mean another time here.
    #[test]
    fn reads_what_go_reads() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            ("+2m", 120_000),
            ("1m0.5s", 60_500),
            (".5s", 500),
            ("1.s", 1_000),
            ("0", 0),
            ("0s", 0),
            ("1500us", 1),
            ("2000\u{b5}s", 2),
            ("1s1s", 2_000),
            ("87600h", 315_360_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    /// Without it nonsense would become a time-out of zero or of three hundred years.
    #[test]
    fn refuses_the_rest_and_says_why() {
        use DurationError as E;
        for (text, error) in [
            ("", E::Malformed as fn(String) -> E),
            ("s", E::Malformed),
            ("5 m", E::Malformed),
            ("5d", E::Malformed),
            ("1h-5m", E::Malformed),
            (".s", E::Malformed),
            ("ten", E::Malformed),
            ("--5s", E::Malformed),
            ("30", E::NoUnit),
            ("-5s", E::Negative),
            ("87601h", E::TooLong),
            ("99999999999999999999999999999999999999999999h", |_| E::TooLong("9".repeat(40))),
            ("5us", E::TooShort),
        ] {
            assert_eq!(parse_duration(text), Err(error(text.to_owned())), "{text}");
        }
    }

    /// Without it a difference would show a time that cannot be pasted back into the file.
    #[test]
    fn what_is_written_reads_back() {
        for (millis, text) in [
            (0, "0s"),
            (5, "5ms"),
            (1_500, "1.5s"),
            (30_000, "30s"),
            (5_400_000, "1h30m"),
            (3_600_000, "1h"),
            (61_050, "1m1.05s"),
            (60_500, "1m0.5s"),
        ] {
            assert_eq!(format_millis(millis), text);
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
    }
}
