use navarch_proto::fleet::{
    Autoscaling, Composite, Predictive, Queue, Reactive, Scheduled, Window, autoscaling::Strategy,
};

use super::{nearest::nearest, section::Section};

pub(super) const KEYS: [&str; 12] = [
    "type",
    "scale_up_at",
    "scale_down_at",
    "jobs_per_node",
    "schedule",
    "time_zone",
    "lookback_window",
    "growth_factor",
    "fallback",
    "mode",
    "autoscalers",
    "strategies",
];
const BY_TYPE: [(&str, &[&str]); 5] = [
    ("reactive", &["scale_up_at", "scale_down_at"]),
    ("queue", &["jobs_per_node"]),
    ("scheduled", &["schedule", "time_zone", "fallback"]),
    ("predictive", &["lookback_window", "growth_factor", "fallback"]),
    ("composite", &["mode", "autoscalers", "strategies"]),
];
pub(super) const WINDOW_KEYS: [&str; 5] = ["days", "start", "end", "min_nodes", "max_nodes"];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Nodes of one window.
const MAX_NODES: u32 = 1_000_000;
/// Strategies within strategies.
const MAX_DEPTH: usize = 8;

/// A pool's limits, which windows take that do not say their own.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// Reads the strategy under `key`; none if the key is absent.
pub(crate) fn read(parent: &Section<'_>, key: &str, limits: Limits) -> Option<Autoscaling> {
    read_nested(parent.section(key, &KEYS)?, limits, 0)
}

fn read_nested(section: Section<'_>, limits: Limits, depth: usize) -> Option<Autoscaling> {
    if depth >= MAX_DEPTH {
        let message = format!("strategies are nested more than {MAX_DEPTH} levels deep");
        section.report.problem(&section.path, section.at.clone(), message);
        return None;
    }
    if !section.has("type") {
        section.missing("type", "reactive");
        return None;
    }
    let kind = section.choice("type", &BY_TYPE.map(|(name, _)| name))?;
    warn_unused(&section, &kind);
    let strategy = match kind.as_str() {
        "reactive" => Strategy::Reactive(reactive(&section)),
        "queue" => Strategy::Queue(queue(&section)),
        "scheduled" => Strategy::Scheduled(Box::new(scheduled(&section, limits, depth))),
        "predictive" => Strategy::Predictive(Box::new(predictive(&section, limits, depth))),
        _ => Strategy::Composite(composite(&section, limits, depth)),
    };
    Some(Autoscaling { strategy: Some(strategy) })
}

fn warn_unused(section: &Section<'_>, kind: &str) {
    let known = BY_TYPE.iter().find(|(name, _)| *name == kind);
    let used = known.map(|(_, keys)| *keys).unwrap_or_default();
    for entry in section.entries() {
        let key = entry.key.as_str();
        if key != "type" && KEYS.contains(&key) && !used.contains(&key) {
            section.warning(key, format!("not used by autoscaling of type `{kind}`"));
        }
    }
}

fn reactive(section: &Section<'_>) -> Reactive {
    let percent = |key, default| section.number(key, 0.0..=100.0).unwrap_or(default);
    let reactive = Reactive {
        scale_up_at: percent("scale_up_at", 80.0),
        scale_down_at: percent("scale_down_at", 20.0),
    };
    let (up, down) = (reactive.scale_up_at, reactive.scale_down_at);
    let key = if section.has("scale_down_at") { "scale_down_at" } else { "scale_up_at" };
    if down > up {
        section.problem(key, format!("`scale_down_at` ({down}) is above `scale_up_at` ({up})"));
    } else if section.has(key) && down.total_cmp(&up).is_eq() {
        section
            .warning(key, "`scale_down_at` equals `scale_up_at`: the pool will never be at rest");
    }
    reactive
}

fn queue(section: &Section<'_>) -> Queue {
    let jobs_per_node = section.whole("jobs_per_node", 0..=1_000_000).unwrap_or(10);
    if jobs_per_node == 0 {
        section.warning("jobs_per_node", "0 makes the pool stay at the size it has");
    }
    Queue { jobs_per_node }
}

fn scheduled(section: &Section<'_>, limits: Limits, depth: usize) -> Scheduled {
    let windows = section.sections("schedule", &WINDOW_KEYS);
    if windows.is_empty() {
        section.missing(
            "schedule",
            "[{days: [monday], start: 9, end: 18, min_nodes: 1, max_nodes: 8}]",
        );
    }
    let time_zone = section.text("time_zone").unwrap_or_default();
    if !time_zone.is_empty() && jiff::tz::TimeZone::get(&time_zone).is_err() {
        let message =
            format!("`{time_zone}` is not a time zone; write an IANA name such as `Europe/Berlin`");
        section.problem("time_zone", message);
    }
    Scheduled {
        schedule: windows.iter().map(|window| read_window(window, limits)).collect(),
        fallback: fallback(section, limits, depth),
        time_zone,
    }
}

fn fallback(section: &Section<'_>, limits: Limits, depth: usize) -> Option<Box<Autoscaling>> {
    let block = section.section("fallback", &KEYS)?;
    read_nested(block, limits, depth + 1).map(Box::new)
}

fn read_window(window: &Section<'_>, limits: Limits) -> Window {
    for (key, example) in [("start", "9"), ("end", "18")] {
        if !window.has(key) {
            window.missing(key, example);
        }
    }
    let (start, end) = (window.whole("start", 0..=23), window.whole("end", 0..=24));
    if let (Some(start), Some(end)) = (start, end)
        && start == end
    {
        let message = format!(
            "`start` and `end` are both {start}, which is no time at all; the whole day is 0 to 24"
        );
        window.problem("end", message);
    }
    let min = window.whole("min_nodes", 0..=MAX_NODES).unwrap_or(limits.min);
    let max = window.whole("max_nodes", 0..=MAX_NODES).unwrap_or(limits.max);
    if min > max {
        let key = if window.has("min_nodes") { "min_nodes" } else { "max_nodes" };
        window.problem(key, format!("the window's minimum {min} is more than its maximum {max}"));
    }
    Window {
        days: read_days(window),
        start_hour: start.unwrap_or(0),
        end_hour: end.unwrap_or(24),
        min_nodes: min,
        max_nodes: max,
    }
}

/// Full lower-case names; no day means every day.
fn read_days(window: &Section<'_>) -> Vec<String> {
    let mut days: Vec<String> = Vec::new();
    for given in window.texts("days").unwrap_or_default() {
        let lower = given.to_lowercase();
        let matches = |day: &&&str| **day == lower || (lower.len() == 3 && day.starts_with(&lower));
        match DAYS.iter().find(matches) {
            Some(day) if days.iter().any(|other| other == day) => {}
            Some(day) => days.push((*day).to_owned()),
            None => {
                let near = nearest(&lower, &DAYS).unwrap_or("monday");
                window.problem(
                    "days",
                    format!("`{given}` is not a day of the week; did you mean `{near}`?"),
                );
            }
        }
    }
    days
}

fn predictive(section: &Section<'_>, limits: Limits, depth: usize) -> Predictive {
    Predictive {
        lookback_window: section.whole("lookback_window", 1..=1_000).unwrap_or(10),
        growth_factor: section.number("growth_factor", 0.0..=100.0).unwrap_or(1.2),
        fallback: fallback(section, limits, depth),
    }
}

fn composite(section: &Section<'_>, limits: Limits, depth: usize) -> Composite {
    let key = if section.has("autoscalers") { "autoscalers" } else { "strategies" };
    if key == "autoscalers" && section.has("strategies") {
        section
            .problem("strategies", "given beside `autoscalers`, its other name; keep one of them");
    }
    let members = section.sections(key, &KEYS);
    if members.is_empty() {
        section.missing("autoscalers", "[{type: reactive}, {type: queue}]");
    }
    let read = |member| read_nested(member, limits, depth + 1);
    Composite {
        mode: section.choice("mode", &["max", "min", "avg"]).unwrap_or_else(|| "max".to_owned()),
        autoscalers: members.into_iter().filter_map(read).collect(),
    }
}
