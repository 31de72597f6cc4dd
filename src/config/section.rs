use std::{ops::Range, ops::RangeInclusive};

use super::{
    document::{Entry, Kind, Node, Value},
    duration::parse_duration,
    nearest::nearest,
    problem::Report,
};

/// Bytes of a single text, setup commands apart.
const MAX_TEXT: usize = 4_096;
/// Entries of one list or map.
const MAX_ENTRIES: usize = 10_000;

/// A map of the file under reading. Its getters answer `None` for a key that is absent, null or wrong; what
/// is wrong goes to the report, so that reading goes on and finds the rest.
pub(crate) struct Section<'a> {
    pub(crate) report: &'a Report,
    /// The keys that lead here, such as `pools.training`; empty at the top.
    pub(crate) path: String,
    /// Where to point when something is missing here.
    pub(crate) at: Range<usize>,
    entries: Vec<&'a Entry>,
}

impl<'a> Section<'a> {
    /// Opens a map all of whose keys are known. A null is an empty map.
    pub(crate) fn open(
        report: &'a Report,
        path: String,
        place: (Range<usize>, &'a Node),
        known: &[&str],
    ) -> Option<Self> {
        let section = Self::open_free(report, path, place)?;
        for entry in &section.entries {
            if !known.contains(&entry.key.as_str()) {
                section.unknown(entry, known);
            }
        }
        Some(section)
    }

    /// Opens a map whose keys are names that the file's author chose.
    pub(crate) fn open_free(
        report: &'a Report,
        path: String,
        (at, node): (Range<usize>, &'a Node),
    ) -> Option<Self> {
        let all: &[Entry] = match &node.value {
            Value::Null => &[],
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => {
                let found = describe(node);
                report.problem(
                    &path,
                    node.span.clone(),
                    format!("expected a map of keys, found {found}"),
                );
                return None;
            }
        };
        let mut section = Self {
            report,
            path,
            at,
            entries: Vec::with_capacity(all.len()),
        };
        if all.len() > MAX_ENTRIES {
            let message = format!("{} keys, and at most {MAX_ENTRIES} are allowed", all.len());
            report.problem(&section.path, section.at.clone(), message);
            return None;
        }
        let mut seen = std::collections::HashMap::new();
        for entry in all {
            match seen.insert(entry.key.as_str(), entry) {
                None => section.entries.push(entry),
                Some(first) => section.duplicate(first, entry),
            }
        }
        Some(section)
    }

    fn unknown(&self, entry: &Entry, known: &[&str]) {
        let hint = match nearest(&entry.key, known) {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let message = format!("unknown key `{}`; {hint}", shown(&entry.key));
        self.report
            .problem(&self.key(&entry.key), entry.key_span.clone(), message);
    }

    fn duplicate(&self, first: &Entry, second: &Entry) {
        let line = self.report.line_of(&first.key_span);
        let message = format!("the key is given twice (first in line {line}); keep one");
        self.report
            .problem(&self.key(&second.key), second.key_span.clone(), message);
    }

    /// The full name of a key here.
    pub(crate) fn key(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => shown(key),
            false => format!("{}.{}", self.path, shown(key)),
        }
    }

    /// All entries, in the file's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'a Entry> + '_ {
        self.entries.iter().copied()
    }

    /// Whether the key is there with a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The entry of a key that has a value.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found
            .copied()
            .filter(|entry| !matches!(entry.node.value, Value::Null))
    }

    /// Reports a problem with the key's value, or with the section where the key is absent.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) {
        self.report
            .problem(&self.key(key), self.span_of(key), message);
    }

    /// Reports what loads but is probably not meant.
    pub(crate) fn warning(&self, key: &str, message: impl Into<String>) {
        self.report
            .warning(&self.key(key), self.span_of(key), message);
    }

    fn span_of(&self, key: &str) -> Range<usize> {
        let entry = self.entry(key);
        entry.map_or(self.at.clone(), |entry| match entry.node.value {
            Value::Scalar { .. } => entry.node.span.clone(),
            Value::Null | Value::List(_) | Value::Map(_) => entry.key_span.clone(),
        })
    }

    /// Reports that a key must be given.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        let message = format!("missing; write for example `{key}: {example}`");
        self.report
            .problem(&self.key(key), self.at.clone(), message);
    }

    fn wrong(&self, key: &str, expected: &str) {
        let found = self
            .entry(key)
            .map(|entry| describe(&entry.node))
            .unwrap_or_default();
        self.problem(key, format!("expected {expected}, found {found}"));
    }

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
            let message = format!(
                "{} bytes long, and at most {MAX_TEXT} are allowed",
                text.len()
            );
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
            Value::Scalar {
                kind: Kind::Whole(number),
                ..
            } => i64::try_from(number).ok(),
            Value::Scalar {
                kind: Kind::Number(number),
                ..
            } if number.fract() == 0.0 =>
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
            let message = format!(
                "{written} is out of range: {} to {}",
                range.start(),
                range.end()
            );
            self.problem(key, message);
        }
        within
    }

    /// A number within a range.
    pub(crate) fn number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let entry = self.entry(key)?;
        let number = match entry.node.value {
            #[allow(clippy::cast_precision_loss, reason = "the range is far below 2^52")]
            Value::Scalar {
                kind: Kind::Whole(number),
                ..
            } => number as f64,
            Value::Scalar {
                kind: Kind::Number(number),
                ..
            } => number,
            _ => {
                self.wrong(key, "a number");
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        let written = describe(&entry.node);
        let message = format!(
            "{written} is out of range: {} to {}",
            range.start(),
            range.end()
        );
        self.problem(key, message);
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let entry = self.entry(key)?;
        if let Value::Scalar {
            kind: Kind::Flag(flag),
            ..
        } = entry.node.value
        {
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
                self.problem(
                    key,
                    "zero makes no sense here; leave the key out for the default",
                );
                None
            }
            Ok(duration) => u64::try_from(duration.as_millis()).ok(),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    /// The map under a key, its keys known; `None` if the key is absent or null.
    pub(crate) fn section(&self, key: &str, known: &[&str]) -> Option<Section<'a>> {
        let entry = self.entry(key)?;
        let place = (entry.key_span.clone(), &entry.node);
        Section::open(self.report, self.key(key), place, known)
    }

    /// The map under a key, its keys free.
    pub(crate) fn free_section(&self, key: &str) -> Option<Section<'a>> {
        let entry = self.entry(key)?;
        Section::open_free(
            self.report,
            self.key(key),
            (entry.key_span.clone(), &entry.node),
        )
    }

    /// The maps in the list under a key.
    pub(crate) fn sections(&self, key: &str, known: &[&str]) -> Vec<Section<'a>> {
        let open = |(path, node): (String, &'a Node)| {
            Section::open(self.report, path, (self.first_key(key, node), node), known)
        };
        self.items(key).into_iter().filter_map(open).collect()
    }

    /// Points at the first key of an item, which reads better than at all its lines.
    fn first_key(&self, key: &str, node: &Node) -> Range<usize> {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => entries[0].key_span.clone(),
            Value::Map(_) | Value::Null => self.span_of(key),
            Value::List(_) | Value::Scalar { .. } => node.span.clone(),
        }
    }

    /// The items of the list under a key, each with its full name.
    fn items(&self, key: &str) -> Vec<(String, &'a Node)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            self.wrong(key, "a list");
            return Vec::new();
        };
        if items.len() > MAX_ENTRIES {
            let message = format!(
                "{} items, and at most {MAX_ENTRIES} are allowed",
                items.len()
            );
            self.problem(key, message);
            return Vec::new();
        }
        let path = self.key(key);
        let name = |(position, node)| (format!("{path}[{position}]"), node);
        items.iter().enumerate().map(name).collect()
    }

    /// The single-line texts in the list under a key.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.entry(key)?;
        let items = self.items(key);
        let texts = items
            .iter()
            .filter_map(|(path, node)| self.text_of(path, node));
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

/// Whether a duration may be zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
}

/// What a value is, for a message: short, and on one line.
fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Scalar {
            kind: Kind::Text,
            text,
        } => format!("the text `{}`", shown(text)),
        Value::Scalar { text, .. } => format!("`{}`", shown(text)),
    }
}

/// A text from the file as a message may show it: at most 60 characters, none of them control characters.
fn shown(text: &str) -> String {
    let clean = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    let mut short: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        short.push('\u{2026}');
    }
    short
}
