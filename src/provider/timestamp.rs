//! Times on the wire: RFC 3339 outside, milliseconds since the Unix epoch inside.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Whole milliseconds; durations of half a billion years and more are cut.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 with milliseconds, in UTC; times after the year 9999 are written as its last moment.
pub(crate) fn format_ms(at_ms: u64) -> String {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

/// Milliseconds since the Unix epoch; times before it are 0.
pub(crate) fn parse_ms(text: &str) -> Result<u64, jiff::Error> {
    let at: jiff::Timestamp = text.parse()?;
    Ok(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

/// For `#[serde(with = "...")]` on an `Option<u64>`: RFC 3339, or null; empty text reads as null.
pub(crate) mod optional {
    use super::*;

    #[allow(clippy::ref_option, reason = "the signature that serde's `with` asks for")]
    pub(crate) fn serialize<S: Serializer>(
        at_ms: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at_ms {
            Some(at_ms) => serializer.serialize_str(&format_ms(*at_ms)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) if !text.is_empty() => parse_ms(&text).map(Some).map_err(|error| {
                D::Error::custom(format!("{text:?} is not an RFC 3339 time: {error}"))
            }),
            Some(_) | None => Ok(None),
        }
    }
}

/// For `#[serde(with = "...")]` on a `u64`.
pub(crate) mod required {
    use super::*;

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(crate) fn serialize<S: Serializer>(at_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_ms(*at_ms))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_ms(&text)
            .map_err(|error| D::Error::custom(format!("{text:?} is not an RFC 3339 time: {error}")))
    }
}
