use std::ops::Range;

use super::{
    document::{Entry, Kind, Node, Value},
    nearest::nearest,
    problem::Report,
};

/// Entries of one list or map.
const MAX_ENTRIES: usize = 10_000;

/// A map of the file under reading. Its getters answer `None` for a key that is absent, null or
/// wrong; what is wrong goes to the report, so that reading goes on and finds the rest.
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
        let mut section = Self { report, path, at, entries: Vec::with_capacity(all.len()) };
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
        self.report.problem(&self.key(&entry.key), entry.key_span.clone(), message);
    }

    fn duplicate(&self, first: &Entry, second: &Entry) {
        let line = self.report.line_of(&first.key_span);
        let message = format!("the key is given twice (first in line {line}); keep one");
        self.report.problem(&self.key(&second.key), second.key_span.clone(), message);
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
        found.copied().filter(|entry| !matches!(entry.node.value, Value::Null))
    }

    /// Reports a problem with the key's value, or with the section where the key is absent.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) {
        self.report.problem(&self.key(key), self.span_of(key), message);
    }

    /// Reports what loads but is probably not meant.
    pub(crate) fn warning(&self, key: &str, message: impl Into<String>) {
        self.report.warning(&self.key(key), self.span_of(key), message);
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
        self.report.problem(&self.key(key), self.at.clone(), message);
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong(&self, key: &str, expected: &str) {
        let found = self.entry(key).map(|entry| describe(&entry.node)).unwrap_or_default();
        self.problem(key, format!("expected {expected}, found {found}"));
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
        Section::open_free(self.report, self.key(key), (entry.key_span.clone(), &entry.node))
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
    pub(super) fn items(&self, key: &str) -> Vec<(String, &'a Node)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            self.wrong(key, "a list");
            return Vec::new();
        };
        if items.len() > MAX_ENTRIES {
            let message = format!("{} items, and at most {MAX_ENTRIES} are allowed", items.len());
            self.problem(key, message);
            return Vec::new();
        }
        let path = self.key(key);
        let name = |(position, node)| (format!("{path}[{position}]"), node);
        items.iter().enumerate().map(name).collect()
    }
}

/// What a value is, for a message: short, and on one line.
pub(super) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Scalar { kind: Kind::Text, text } => format!("the text `{}`", shown(text)),
        Value::Scalar { text, .. } => format!("`{}`", shown(text)),
    }
}

/// A text from the file as a message may show it: at most 60 characters, none of them control
/// characters.
pub(super) fn shown(text: &str) -> String {
    let clean = |letter: char| {
        if letter.is_control() { '\u{fffd}' } else { letter }
    };
    let mut short: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        short.push('\u{2026}');
    }
    short
}
