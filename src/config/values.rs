//! What a [`Section`] reads under its keys, other than maps of keys.

use std::ops::{Range, RangeInclusive};

use super::{
    document::{Entry, Kind, Node, Value},
    duration::parse_duration,
    nearest::nearest,
    section::{Section, describe, shown},
};

/// Bytes of a single text, setup commands apart.
const MAX_TEXT: usize = 4_096;
/// Whether a duration may be zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
}

impl<'a> Section<'a> {
    /// One line of text. Numbers and booleans count as the text they are written as.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let entry = self.entry(key)?;
        let text = self.text_of(&self.key(key), &entry.node)?;
        Some(text.to_owned())
    }

    /// A text that may not be left out or empty.
    pub(crate) fn required_text(&self, key: &str, example: &str) -> Option<String> {
        match self.has(key) {
            true => {
                let text = self.text(key)?;
                if text.is_empty() {
                    self.problem(key, format!("empty; write for example `{key}: {example}`"));
                    return None;
                }
                Some(text)
            }
            false => {
                self.missing(key, example);
                None
            }
        }
    }

    /// A text out of a fixed list.
    pub(crate) fn choice(&self, key: &str, choices: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if choices.contains(&text.as_str()) {
            return Some(text);
        }
        let hint = match nearest(&text, choices) {
            Some(choice) => format!("did you mean `{choice}`?"),
            None => format!("one of {}", choices.join(", ")),
        };
        self.problem(key, format!("unknown value `{}`; {hint}", shown(&text)));
        None
    }

    fn text_of(&self, path: &str, node: &'a Node) -> Option<&'a str> {
        let Value::Scalar { text, .. } = &node.value else {
            let message = format!("expected text, found {}", describe(node));
            self.report.problem(path, node.span.clone(), message);
            return None;
        };
        if text.len() > MAX_TEXT {
            let message = format!("{} bytes long, and at most {MAX_TEXT} are allowed", text.len());
            self.report.problem(path, node.span.clone(), message);
            return None;
        }
        if text.chars().any(char::is_control) {
            let message = "holds a control character or a line break; write it on one line";
            self.report.problem(path, node.span.clone(), message);
            return None;
        }
        Some(text)
    }

    /// A whole number within a range.
    pub(crate) fn whole(&self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        self.integer(key, i64::from(*range.start())..=i64::from(*range.end()))
            .and_then(|number| u32::try_from(number).ok())
    }

    /// A whole number within a range that may reach below zero.
    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let entry = self.entry(key)?;
        let number = match entry.node.value {
            Value::Scalar { kind: Kind::Whole(number), .. } => i64::try_from(number).ok(),
            Value::Scalar { kind: Kind::Number(number), .. } if number.fract() == 0.0 =>
            {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "saturates, and the range is checked next"
                )]
                Some(number as i64)
            }
            _ => {
                self.wrong(key, "a whole number");
                return None;
            }
        };
        let within = number.filter(|number| range.contains(number));
        if within.is_none() {
            let written = describe(&entry.node);
            let message =
                format!("{written} is out of range: {} to {}", range.start(), range.end());
            self.problem(key, message);
        }
        within
    }

    /// A number within a range.
    pub(crate) fn number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let entry = self.entry(key)?;
        let number = match entry.node.value {
            #[allow(clippy::cast_precision_loss, reason = "the range is far below 2^52")]
            Value::Scalar { kind: Kind::Whole(number), .. } => number as f64,
            Value::Scalar { kind: Kind::Number(number), .. } => number,
            _ => {
                self.wrong(key, "a number");
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        let written = describe(&entry.node);
        let message = format!("{written} is out of range: {} to {}", range.start(), range.end());
        self.problem(key, message);
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let entry = self.entry(key)?;
        if let Value::Scalar { kind: Kind::Flag(flag), .. } = entry.node.value {
            return Some(flag);
        }
        self.wrong(key, "`true` or `false`");
        None
    }

    /// A Go-style duration in milliseconds; zero only where it means something.
    pub(crate) fn duration_ms(&self, key: &str, zero: Zero) -> Option<u64> {
        let entry = self.entry(key)?;
        let Value::Scalar { text, .. } = &entry.node.value else {
            self.wrong(key, "a duration such as `30s`");
            return None;
        };
        match parse_duration(text) {
            Ok(duration) if duration.is_zero() && zero == Zero::Refused => {
                self.problem(key, "zero makes no sense here; leave the key out for the default");
                None
            }
            Ok(duration) => u64::try_from(duration.as_millis()).ok(),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    /// The single-line texts in the list under a key.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.entry(key)?;
        let items = self.items(key);
        let texts = items.iter().filter_map(|(path, node)| self.text_of(path, node));
        Some(texts.map(str::to_owned).collect())
    }

    /// A text that may have several lines, and where it stands.
    pub(crate) fn long_text(&self, key: &str, limit: usize) -> Option<(String, Range<usize>)> {
        let entry = self.entry(key)?;
        let text = self.long_text_of(&self.key(key), &entry.node, limit)?;
        Some((text.to_owned(), entry.node.span.clone()))
    }

    /// The texts in the list under a key; each may have several lines.
    pub(crate) fn long_texts(&self, key: &str, limit: usize) -> Vec<String> {
        let items = self.items(key);
        let text = |(path, node): &(String, &'a Node)| self.long_text_of(path, node, limit);
        items.iter().filter_map(text).map(str::to_owned).collect()
    }

    fn long_text_of(&self, path: &str, node: &'a Node, limit: usize) -> Option<&'a str> {
        let Value::Scalar { text, .. } = &node.value else {
            let message = format!("expected text, found {}", describe(node));
            self.report.problem(path, node.span.clone(), message);
            return None;
        };
        let odd = |letter: char| letter.is_control() && !"\n\t\r".contains(letter);
        if text.len() > limit || text.chars().any(odd) {
            let message =
                format!("expected text of at most {limit} bytes without control characters");
            self.report.problem(path, node.span.clone(), message);
            return None;
        }
        Some(text)
    }

    /// The texts in the map under a key.
    pub(crate) fn text_map(&self, key: &str) -> Vec<(String, String)> {
        let Some(map) = self.free_section(key) else {
            return Vec::new();
        };
        let pair = |entry: &'a Entry| {
            let text = match entry.node.value {
                Value::Null => "",
                _ => self.text_of(&map.key(&entry.key), &entry.node)?,
            };
            Some((entry.key.clone(), text.to_owned()))
        };
        map.entries().filter_map(pair).collect()
    }
}
