use std::ops::Range;

use navarch_proto::api::HealthStatus;

use crate::config::{Report, Section, parse_document};

/// Bytes of a policy file.
const MAX_FILE: usize = 64 * 1024;
/// Bytes of one condition.
const MAX_CONDITION: usize = 4 * 1024;
/// Rules of one policy.
const MAX_RULES: usize = 256;
/// Bytes of a rule's name: it enters the log with every verdict.
const MAX_NAME: usize = 128;

/// A policy file, its conditions not compiled yet.
pub(super) struct PolicyFile {
    /// `metadata.name`; empty if the file has none.
    pub(super) name: String,
    pub(super) rules: Vec<RuleText>,
}

/// A rule as the file says it.
pub(super) struct RuleText {
    /// Where it stands, such as `rules[3]`.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) condition: String,
    /// Where the condition stands in the file.
    pub(super) span: Range<usize>,
    pub(super) result: HealthStatus,
    /// On trial: what it would do is told, and nothing else.
    pub(super) shadow: bool,
}

/// Reads a policy file's YAML. What is wrong goes to the report.
pub(super) fn read(report: &Report, text: &str) -> Option<PolicyFile> {
    if text.len() > MAX_FILE {
        let bytes = text.len();
        let message = format!("{bytes} bytes, and a health policy has at most {MAX_FILE}");
        report.problem("", 0..0, message);
        return None;
    }
    let document = parse_document(report, text)?;
    let keys = ["version", "metadata", "rules"];
    let file = Section::open(report, String::new(), (0..0, &document), &keys)?;
    if !file.has("version") {
        file.missing("version", "v1");
    }
    file.choice("version", &["v1"]);
    let metadata = file.section("metadata", &["name", "description"]);
    let name = metadata.and_then(|metadata| {
        metadata.text("description");
        metadata.text("name")
    });
    Some(PolicyFile { name: name.unwrap_or_default(), rules: read_rules(&file) })
}

fn read_rules(file: &Section<'_>) -> Vec<RuleText> {
    let sections =
        file.sections("rules", &["name", "description", "condition", "result", "shadow"]);
    if sections.is_empty() {
        let example =
            "[{name: any-xid, condition: 'event.event_type == \"xid\"', result: degraded}]";
        file.missing("rules", example);
    }
    if sections.len() > MAX_RULES {
        let count = sections.len();
        file.problem("rules", format!("{count} rules, and at most {MAX_RULES} are allowed"));
        return Vec::new();
    }
    let mut rules: Vec<RuleText> = Vec::new();
    for section in &sections {
        let Some(rule) = read_rule(section) else {
            continue;
        };
        if rules.iter().any(|other| other.name == rule.name) {
            section.problem(
                "name",
                format!("two rules are named `{}`; names tell them apart", rule.name),
            );
        }
        rules.push(rule);
    }
    rules
}

fn read_rule(section: &Section<'_>) -> Option<RuleText> {
    let name = section.required_text("name", "any-xid");
    if let Some(name) = name.as_ref().filter(|name| name.len() > MAX_NAME) {
        let message = format!("{} bytes, and a rule's name has at most {MAX_NAME}", name.len());
        section.problem("name", message);
    }
    if name.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
        section.problem("name", "a rule's name is one line without control characters");
    }
    section.long_text("description", MAX_CONDITION);
    if !section.has("result") {
        section.missing("result", "degraded");
    }
    let result = section.choice("result", &["healthy", "degraded", "unhealthy"]);
    if !section.has("condition") {
        section.missing("condition", "event.event_type == \"xid\"");
    }
    let (condition, span) = section.long_text("condition", MAX_CONDITION)?;
    Some(RuleText {
        path: section.path.clone(),
        name: name?,
        condition,
        span,
        result: match result?.as_str() {
            "healthy" => HealthStatus::Healthy,
            "degraded" => HealthStatus::Degraded,
            _ => HealthStatus::Unhealthy,
        },
        shadow: section.flag("shadow").unwrap_or(false),
    })
}
