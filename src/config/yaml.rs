use std::fmt::Write as _;

use super::{
    document::{Entry, Kind, Node, Value, parse as parse_document},
    error::ConfigError,
    problem::Report,
};

/// The type of a provider that is simulated.
pub(crate) const FAKE: &str = "fake";

/// A YAML value that can be changed and written again. Scalars keep the text they were written as, so that
/// `1.10` stays `1.10`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    /// No value.
    Null,
    /// A scalar as it is written, quoted where it must be.
    Scalar(String),
    /// A list.
    List(Vec<Yaml>),
    /// A map in the order it is written.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// Reads a file's text; `name` is for messages.
    pub(crate) fn read(text: &str, name: &str) -> Result<Self, ConfigError> {
        let report = Report::new(name, text);
        let document = parse_document(&report, text);
        report.finish()?;
        Ok(document.as_ref().map_or(Self::Null, Self::from))
    }

    /// A text.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Scalar(quoted(text.as_ref()))
    }

    /// A map.
    pub(crate) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// The value of a key; `None` where this is no map or has no such key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            Self::Null | Self::Scalar(_) | Self::List(_) => None,
        }
    }

    /// The map under a key, made where there is none.
    pub(crate) fn map_mut(&mut self, key: &str) -> &mut Self {
        if !matches!(self.get(key), Some(Self::Map(_))) {
            self.set(key, Self::Map(Vec::new()));
        }
        let entries = self.entries_mut();
        let position = entries.iter().position(|(name, _)| name == key).unwrap_or(0);
        &mut entries[position].1
    }

    /// Sets a key; what is no map becomes one.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        let entries = self.entries_mut();
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => entries.push((key.to_owned(), value)),
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.entries_mut().retain(|(name, _)| name != key);
    }

    /// The entries; what is no map becomes an empty one.
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(String, Self)> {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        match self {
            Self::Map(entries) => entries,
            Self::Null | Self::Scalar(_) | Self::List(_) => unreachable!("it was made a map"),
        }
    }

    /// Puts the fake cloud at `url(name)` in the place of each provider of type `fake`, where there is one of that
    /// name.
    pub(crate) fn serve_fake_providers(&mut self, url: impl Fn(&str) -> Option<String>) {
        let fake = Self::text(FAKE);
        for (name, provider) in self.map_mut("providers").entries_mut() {
            let Some(url) = url(name).filter(|_| provider.get("type") == Some(&fake)) else {
                continue;
            };
            provider.set("type", Self::text("http"));
            provider.set("url", Self::text(url));
            for key in ["gpu_count", "token_env", "ca_file"] {
                provider.remove(key);
            }
        }
    }

    /// The text of a file.
    pub(crate) fn write(&self) -> String {
        let mut text = String::new();
        self.write_block(0, &mut text);
        text
    }

    /// Writes this after a key or a dash: on the same line, or as an indented block below.
    fn write_value(&self, indent: usize, text: &mut String) {
        match self {
            Self::Null => text.push_str(" null\n"),
            Self::Scalar(scalar) => {
                let _ = writeln!(text, " {scalar}");
            }
            Self::List(items) if items.is_empty() => text.push_str(" []\n"),
            Self::Map(entries) if entries.is_empty() => text.push_str(" {}\n"),
            Self::List(_) | Self::Map(_) => {
                text.push('\n');
                self.write_block(indent + 2, text);
            }
        }
    }

    fn write_block(&self, indent: usize, text: &mut String) {
        let margin = " ".repeat(indent);
        match self {
            Self::Null => {}
            Self::Scalar(scalar) => {
                let _ = writeln!(text, "{margin}{scalar}");
            }
            Self::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    item.write_value(indent, &mut inner);
                    // A map begins beside its dash.
                    let inner = inner.strip_prefix('\n').unwrap_or(&inner).trim_start();
                    let _ = write!(text, "{margin}- {inner}");
                }
            }
            Self::Map(entries) => {
                for (key, value) in entries {
                    let _ = write!(text, "{margin}{}:", key_text(key));
                    value.write_value(indent, text);
                }
            }
        }
    }
}

impl From<u16> for Yaml {
    fn from(number: u16) -> Self {
        Self::Scalar(number.to_string())
    }
}

impl From<&Node> for Yaml {
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Scalar { kind: Kind::Text, text } => Self::text(text),
            Value::Scalar { text, .. } => Self::Scalar(text.clone()),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Map(entries) => {
                let entry = |entry: &Entry| (entry.key.clone(), Self::from(&entry.node));
                Self::Map(entries.iter().map(entry).collect())
            }
        }
    }
}

/// A JSON string is a YAML double-quoted scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key is left bare where no reader could take it for anything but text.
fn key_text(key: &str) -> String {
    let plain = key.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
        && !matches!(
            key.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { key.to_owned() } else { quoted(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a label could change its value, or a rewritten file could fail to load.
    #[test]
    fn what_is_read_is_written_alike() {
        let text = "a: 1.10\nb: \"1.10\"\nc: [x, ~, 08]\nd:\n  - k: |\n      two\n      lines\n    e: {}\n  - []\n'on': yes\n";
        let yaml = Yaml::read(text, "test.yaml").unwrap();
        let written = yaml.write();
        assert!(
            written.starts_with("a: 1.10\nb: \"1.10\"\nc:\n  - \"x\"\n  - null\n"),
            "{written}"
        );
        assert!(written.contains("\"on\":"), "{written}");
        assert_eq!(Yaml::read(&written, "again.yaml").unwrap(), yaml, "{written}");
    }

    /// Without it a key could be set twice, which the reader refuses.
    #[test]
    fn keys_are_set_once_and_maps_made_on_the_way() {
        let mut yaml = Yaml::Null;
        yaml.map_mut("server").set("address", Yaml::text(":1"));
        yaml.map_mut("server").set("address", Yaml::text(":2"));
        yaml.set("x", 7.into());
        yaml.remove("missing");
        assert_eq!(yaml.write(), "server:\n  address: \":2\"\nx: 7\n");
    }
}
