use navarch_proto::fleet::{Bootstrap, PoolProvider, PoolSpec};

use super::{
    autoscaling::{self, Limits},
    defaults::{Defaults, PoolHealth},
    metrics,
    nearest::nearest,
    providers::{Providers, check_name},
    section::Section,
    values::Zero,
};

pub(super) const KEYS: [&str; 23] = [
    "provider",
    "providers",
    "strategy",
    "instance_type",
    "region",
    "zones",
    "ssh_keys",
    "labels",
    "min_nodes",
    "max_nodes",
    "cooldown",
    "scale_up_cooldown",
    "scale_down_cooldown",
    "autoscaling",
    "metrics",
    "health",
    "setup_commands",
    "ssh_user",
    "ssh_private_key_path",
    "ip_wait_timeout",
    "ssh_timeout",
    "ssh_connect_timeout",
    "command_timeout",
];
pub(super) const PROVIDER_KEYS: [&str; 5] =
    ["name", "priority", "weight", "regions", "instance_type"];
const STRATEGIES: [&str; 4] = ["priority", "cost", "availability", "round-robin"];

const MINUTE_MS: u64 = 60_000;
/// Nodes of one pool.
const MAX_NODES: u32 = 1_000_000;
/// Bytes of one set-up command.
const MAX_COMMAND: usize = 65_536;
/// Labels of one pool: every machine carries them.
const MAX_LABELS: usize = 64;
/// Labels that we put on machines ourselves.
const OWN_LABELS: &str = "navarch.";

/// Reads the `pools` block, ordered by name.
pub(crate) fn read(
    file: &Section<'_>,
    providers: &Providers,
    defaults: &Defaults,
) -> Vec<PoolSpec> {
    let Some(block) = file.free_section("pools") else {
        return Vec::new();
    };
    let mut pools = Vec::new();
    for entry in block.entries() {
        if let Err(message) = check_name(&entry.key) {
            block.report.problem(&block.key(&entry.key), entry.key_span.clone(), message);
        }
        let place = (entry.key_span.clone(), &entry.node);
        let section = Section::open(block.report, block.key(&entry.key), place, &KEYS);
        pools.extend(section.map(|section| read_one(&section, &entry.key, providers, defaults)));
    }
    pools.sort_by(|left, right| left.name.cmp(&right.name));
    pools
}

fn read_one(
    section: &Section<'_>,
    name: &str,
    providers: &Providers,
    defaults: &Defaults,
) -> PoolSpec {
    let limits = limits(section);
    let health = PoolHealth::read(section).unwrap_or(defaults.health);
    let ssh_keys = section.texts("ssh_keys").filter(|keys| !keys.is_empty());
    PoolSpec {
        name: name.to_owned(),
        providers: choices(section, providers),
        strategy: section.choice("strategy", &STRATEGIES).unwrap_or_else(|| "priority".to_owned()),
        instance_type: section.required_text("instance_type", "h100-8x").unwrap_or_default(),
        region: section.text("region").unwrap_or_default(),
        zones: section.texts("zones").unwrap_or_default(),
        ssh_keys: ssh_keys.unwrap_or_else(|| defaults.ssh_keys.clone()),
        labels: labels(section).into_iter().collect(),
        min_nodes: limits.min,
        max_nodes: limits.max,
        cooldown_ms: section.duration_ms("cooldown", Zero::Allowed).unwrap_or(5 * MINUTE_MS),
        scale_up_cooldown_ms: section.duration_ms("scale_up_cooldown", Zero::Allowed),
        scale_down_cooldown_ms: section.duration_ms("scale_down_cooldown", Zero::Allowed),
        autoscaling: autoscaling::read(section, "autoscaling", limits),
        unhealthy_after: health.unhealthy_after,
        auto_replace: health.auto_replace,
        replace_at_once_percent: health.replace_at_once_percent,
        replace_per_hour_percent: health.replace_per_hour_percent,
        bootstrap: bootstrap(section, defaults),
        metrics: metrics::read(section),
        retiring: false,
    }
}

fn limits(section: &Section<'_>) -> Limits {
    let min = section.whole("min_nodes", 0..=MAX_NODES);
    if !section.has("max_nodes") {
        section.missing("max_nodes", "8");
    }
    let max = section.whole("max_nodes", 1..=MAX_NODES);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        section.problem("min_nodes", format!("{min} is more than `max_nodes`, which is {max}"));
    }
    Limits { min: min.unwrap_or(0), max: max.unwrap_or(MAX_NODES) }
}

fn choices(section: &Section<'_>, known: &Providers) -> Vec<PoolProvider> {
    let single = section.has("provider");
    if single && section.has("providers") {
        section.problem("providers", "given beside `provider`; keep one of them");
        return Vec::new();
    }
    if single {
        let name = section.required_text("provider", "NAME").unwrap_or_default();
        check_known(section, "provider", &name, known);
        let weight = 1;
        return vec![PoolProvider { name, weight, ..PoolProvider::default() }];
    }
    let entries = section.sections("providers", &PROVIDER_KEYS);
    if entries.is_empty() {
        section.missing("provider", "NAME");
    }
    let mut choices: Vec<PoolProvider> = Vec::new();
    for entry in &entries {
        let choice = choice(entry, known);
        let same = |other: &PoolProvider| {
            (&other.name, &other.regions, &other.instance_type)
                == (&choice.name, &choice.regions, &choice.instance_type)
        };
        if choices.iter().any(same) {
            entry.problem(
                "name",
                format!("`{}` is listed twice with the same regions", choice.name),
            );
        }
        choices.push(choice);
    }
    choices
}

fn choice(entry: &Section<'_>, known: &Providers) -> PoolProvider {
    let name = entry.required_text("name", "NAME").unwrap_or_default();
    check_known(entry, "name", &name, known);
    let priority = entry.integer("priority", -1_000_000..=1_000_000).unwrap_or(0);
    // The original takes an absent weight and a zero alike.
    let weight = entry.whole("weight", 0..=1_000_000).unwrap_or(0).max(1);
    PoolProvider {
        name,
        priority: i32::try_from(priority).unwrap_or(0),
        weight,
        regions: entry.texts("regions").unwrap_or_default(),
        instance_type: entry.text("instance_type").unwrap_or_default(),
    }
}

fn check_known(section: &Section<'_>, key: &str, name: &str, known: &Providers) {
    if name.is_empty() || known.names.iter().any(|other| other == name) {
        return;
    }
    let names: Vec<&str> = known.names.iter().map(String::as_str).collect();
    let hint = match (nearest(name, &names), names.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "the file has no `providers`".to_owned(),
        (None, false) => format!("known here: {}", names.join(", ")),
    };
    section.problem(key, format!("`{name}` is not one of `providers`; {hint}"));
}

fn labels(section: &Section<'_>) -> Vec<(String, String)> {
    let labels = section.text_map("labels");
    if labels.len() > MAX_LABELS {
        let message = format!("{} labels, and at most {MAX_LABELS} are allowed", labels.len());
        section.problem("labels", message);
    }
    for (key, _) in &labels {
        if check_name(key).is_err() {
            section.problem(
                "labels",
                "a label's key has 1 to 128 bytes, no blanks, no control characters",
            );
        }
        if key.starts_with(OWN_LABELS) {
            section.problem(
                "labels",
                format!("`{key}`: labels that start with `{OWN_LABELS}` are set by Navarch"),
            );
        }
    }
    labels
}

/// SSH bootstrap, where the pool has set-up commands.
fn bootstrap(section: &Section<'_>, defaults: &Defaults) -> Option<Bootstrap> {
    let or_default = |key, default: &str| {
        let text = section.text(key).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| default.to_owned())
    };
    let period = |key, default| section.duration_ms(key, Zero::Refused).unwrap_or(default);
    let bootstrap = Bootstrap {
        setup_commands: section.long_texts("setup_commands", MAX_COMMAND),
        ssh_user: or_default("ssh_user", &defaults.ssh_user),
        ssh_private_key_path: or_default("ssh_private_key_path", &defaults.ssh_private_key_path),
        ip_wait_timeout_ms: period("ip_wait_timeout", 15 * MINUTE_MS),
        ssh_timeout_ms: period("ssh_timeout", 10 * MINUTE_MS),
        ssh_connect_timeout_ms: period("ssh_connect_timeout", MINUTE_MS / 2),
        command_timeout_ms: period("command_timeout", 5 * MINUTE_MS),
    };
    if bootstrap.setup_commands.is_empty() {
        return None;
    }
    if bootstrap.ssh_private_key_path.is_empty() {
        let message = "need `ssh_private_key_path` here or in `defaults`";
        section.problem("setup_commands", message);
    }
    Some(bootstrap)
}
