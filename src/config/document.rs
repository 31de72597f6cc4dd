use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    DefaultMessageFormatter, DuplicateKeyPolicy, Location, MessageFormatter as _,
    NonFiniteFloatPolicy, Options, Spanned,
};

use super::problem::Report;

/// Levels of nesting; our deepest key needs fewer than 20.
const MAX_DEPTH: usize = 48;
/// Nodes of the tree, aliases expanded: enough for thousands of pools.
const MAX_NODES: usize = 200_000;

/// A YAML value that remembers where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where it is used; for an alias, the alias.
    pub(crate) span: Range<usize>,
}

/// What a [`Node`] holds.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Scalar { kind: Kind, text: String },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What an unquoted scalar looks like; a quoted one is text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Flag(bool),
    Whole(i128),
    Number(f64),
    Text,
}

/// A key of a map with its value. Keys may repeat: the reader refuses that with both places.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

/// Reads the one YAML document of a file. `None` after a problem, which is in the report.
pub(crate) fn parse(report: &Report, text: &str) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Raw>(text, options()) {
        Ok(raw) => Some(raw.finish(report)),
        Err(error) => {
            let span = error.location().map_or(0..0, |place| span_of(&place, text.len()));
            let message = DefaultMessageFormatter.format_message(&error).into_owned();
            report.problem("", span, format!("not usable as YAML: {message}"));
            None
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// Bytes that a location covers, within a text of `length` bytes.
fn span_of(location: &Location, length: usize) -> Range<usize> {
    let span = location.span();
    let narrow = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    let start = narrow(span.byte_offset()).unwrap_or_default().min(length);
    let bytes = narrow(span.byte_len()).unwrap_or_default();
    start..start.saturating_add(bytes).min(length)
}

/// A value as the parser hands it over; [`Raw::finish`] adds what only the source text knows.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Plain(Kind),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn finish(self, report: &Report) -> Node {
        let Spanned { value, referenced, defined } = self.0;
        let length = report.length();
        let value = match value {
            RawValue::Null => Value::Null,
            RawValue::Plain(kind) => Value::Scalar {
                kind,
                text: report.slice(&span_of(&defined, length)).trim().to_owned(),
            },
            RawValue::Text(text) => Value::Scalar { kind: Kind::Text, text },
            RawValue::List(items) => {
                Value::List(items.into_iter().map(|item| item.finish(report)).collect())
            }
            RawValue::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key_span: span_of(&key.referenced, length),
                        key: key.value,
                        node: value.finish(report),
                    })
                    .collect(),
            ),
        };
        let span = span_of(&referenced, length);
        Node { value, span }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a scalar, a list or a map")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Kind::Flag(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Kind::Whole(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Kind::Whole(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Kind::Whole(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Kind::Number(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::Text(value))
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(RawValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Node, Report) {
        let report = Report::new("t.yaml", text);
        let node = parse(&report, text).expect("parses");
        (node, report)
    }

    fn entries(node: &Node) -> &[Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            other => panic!("not a map: {other:?}"),
        }
    }

    /// Without it an error could point beside the value, and `1.10` or `007` would lose its
    /// spelling.
    #[test]
    fn scalars_keep_their_spelling_and_their_place() {
        let text = "a: 1.10\nbb:  yes # why\nc: \"5\"\nd: 0x10\ne: ~\nf: ü\ng: 007\n";
        let (node, report) = tree(text);
        let seen: Vec<_> = entries(&node)
            .iter()
            .map(|entry| {
                let slice = report.slice(&entry.node.span);
                match &entry.node.value {
                    Value::Scalar { kind, text } => {
                        format!("{}={slice}:{text}:{kind:?}", entry.key)
                    }
                    other => format!("{}={other:?}", entry.key),
                }
            })
            .collect();
        assert_eq!(
            seen,
            [
                "a=1.10:1.10:Number(1.1)",
                "bb=yes:yes:Flag(true)",
                "c=\"5\":5:Text",
                "d=0x10:0x10:Whole(16)",
                "e=Null",
                "f=ü:ü:Text",
                "g=007:007:Number(7.0)",
            ]
        );
        assert_eq!(report.slice(&entries(&node)[1].key_span), "bb");
    }

    /// Without it a value under a merge key or an alias would be lost or point nowhere.
    #[test]
    fn merges_and_aliases_are_expanded() {
        let (node, report) = tree("x: &x {a: 1, b: 2.50}\ny:\n  <<: *x\n  a: 3\nz: *x\n");
        let y = entries(&entries(&node)[1].node);
        let mut keys: Vec<_> = y.iter().map(|entry| entry.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(report.slice(&entries(&node)[2].node.span), "*x");
        let z = entries(&entries(&node)[2].node);
        assert!(matches!(&z[1].node.value, Value::Scalar { text, .. } if text == "2.50"));
    }

    /// Without it a 300-byte file could take all memory.
    #[test]
    fn alias_bombs_and_deep_nesting_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        let documents = "a: 1\n---\nb: 2\n".to_owned();
        for text in [bomb, deep, documents, "a: [1\nb: }".to_owned(), "a: *nope\n".to_owned()] {
            let report = Report::new("t.yaml", &text);
            assert!(parse(&report, &text).is_none(), "{text}");
            let problems = report.finish().expect_err("a problem");
            assert!(problems.to_string().starts_with("t.yaml:"), "{problems}");
        }
    }
}
