use navarch_proto::fleet::ProviderSpec;

use super::{address::check_url, notifier::is_variable_name, section::Section};

pub(super) const KEYS: [&str; 11] = [
    "type",
    "api_key_env",
    "token_env",
    "project",
    "zone",
    "region",
    "gpu_count",
    "url",
    "ca_file",
    "max_calls_per_second",
    "max_concurrent_calls",
];

/// The keys that every type reads.
const COMMON: [&str; 3] = ["type", "max_calls_per_second", "max_concurrent_calls"];

/// The further keys that a provider type reads.
const BY_TYPE: [(&str, &[&str]); 6] = [
    ("fake", &["gpu_count", "url", "token_env", "ca_file", "region", "zone"]),
    ("http", &["url", "token_env", "ca_file", "region", "zone"]),
    ("lambda", &["api_key_env", "region"]),
    ("gcp", &["project", "zone", "region"]),
    ("aws", &["region", "zone"]),
    (
        "custom",
        &["gpu_count", "url", "api_key_env", "token_env", "ca_file", "project", "region", "zone"],
    ),
];

/// GPUs of one machine.
const MAX_GPUS: u32 = 64;
/// Calls of one provider, a second or at once.
const MAX_CALLS: u32 = 10_000;
/// Bytes of a provider's or pool's name.
const MAX_NAME: usize = 128;

/// The `providers` block.
pub(crate) struct Providers {
    /// Ordered by name.
    pub(crate) specs: Vec<ProviderSpec>,
    /// Names of all entries, those with problems included, so that a pool that uses one is not
    /// blamed too.
    pub(crate) names: Vec<String>,
}

/// Reads the `providers` block.
pub(crate) fn read(file: &Section<'_>) -> Providers {
    let mut providers = Providers { specs: Vec::new(), names: Vec::new() };
    let Some(block) = file.free_section("providers") else {
        return providers;
    };
    for entry in block.entries() {
        providers.names.push(entry.key.clone());
        if let Err(message) = check_name(&entry.key) {
            block.report.problem(&block.key(&entry.key), entry.key_span.clone(), message);
        }
        let place = (entry.key_span.clone(), &entry.node);
        let section = Section::open(block.report, block.key(&entry.key), place, &KEYS);
        providers.specs.extend(section.and_then(|section| read_one(&section, &entry.key)));
    }
    providers.specs.sort_by(|left, right| left.name.cmp(&right.name));
    providers
}

fn read_one(section: &Section<'_>, name: &str) -> Option<ProviderSpec> {
    let types = BY_TYPE.map(|(name, _)| name);
    if !section.has("type") {
        section.missing("type", "fake");
    }
    let kind = section.choice("type", &types);
    let spec = ProviderSpec {
        name: name.to_owned(),
        r#type: kind.clone().unwrap_or_default(),
        api_key_env: variable(section, "api_key_env"),
        token_env: variable(section, "token_env"),
        project: section.text("project").unwrap_or_default(),
        zone: section.text("zone").unwrap_or_default(),
        region: section.text("region").unwrap_or_default(),
        gpu_count: section.whole("gpu_count", 0..=MAX_GPUS).unwrap_or_default(),
        url: section.text("url").unwrap_or_default(),
        ca_file: section.text("ca_file").unwrap_or_default(),
        max_calls_per_second: section.whole("max_calls_per_second", 1..=MAX_CALLS).unwrap_or(0),
        max_concurrent_calls: section.whole("max_concurrent_calls", 1..=MAX_CALLS).unwrap_or(0),
        retiring: false,
    };
    let kind = kind?;
    let known = BY_TYPE.iter().find(|(name, _)| *name == kind);
    let reads = known.map(|(_, keys)| *keys).unwrap_or_default();
    for entry in section.entries().filter(|entry| KEYS.contains(&entry.key.as_str())) {
        let key = entry.key.as_str();
        if !COMMON.contains(&key) && !reads.contains(&key) {
            section.warning(&entry.key, format!("not used by a provider of type `{kind}`"));
        }
    }
    if !spec.url.is_empty()
        && let Err(message) = check_url(&spec.url)
    {
        section.problem("url", message);
    }
    if kind == "http" && spec.url.is_empty() {
        section.missing("url", "http://127.0.0.1:50101");
    }
    if !spec.ca_file.is_empty() && !spec.url.starts_with("https://") {
        section.problem("ca_file", "needs a `url` that starts with `https://`");
    }
    Some(spec)
}

/// The name of an environment variable. A secret in its place is not repeated in the message.
pub(crate) fn variable(section: &Section<'_>, key: &str) -> String {
    let name = section.text(key).unwrap_or_default();
    if !name.is_empty() && !is_variable_name(&name) {
        let message = "expected the name of an environment variable (letters, digits and `_`), \
                       not the secret itself";
        section.problem(key, message);
    }
    name
}

/// Checks the name of a provider or pool: it becomes part of labels, metrics and machine names.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if name.len() > MAX_NAME {
        let length = name.len();
        return Err(format!("the name has {length} bytes, and at most {MAX_NAME} are allowed"));
    }
    if name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err("a name has no blanks or control characters".to_owned());
    }
    Ok(())
}
