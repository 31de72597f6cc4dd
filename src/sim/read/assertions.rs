use navarch_fleet::EventKind;

use super::{names::Names, timeline::time};
use crate::{
    config::{DocumentValue, Section, Zero, format_millis},
    sim::assertion::{Assertion, Claim, Range, When},
};

const CLAIMS: [&str; 9] = [
    "pool",
    "lost_nodes",
    "replacements",
    "machines_bought",
    "spending",
    "instances",
    "event",
    "peak",
    "nothing_bought_twice",
];
const KEYS: [&str; 13] = [
    "name",
    "at",
    "within",
    "throughout",
    CLAIMS[0],
    CLAIMS[1],
    CLAIMS[2],
    CLAIMS[3],
    CLAIMS[4],
    CLAIMS[5],
    CLAIMS[6],
    CLAIMS[7],
    CLAIMS[8],
];
/// The largest number that an assertion may speak of.
const MOST: f64 = 1e12;

/// `assertions`: what must hold, in the file's order.
pub(super) fn read(file: &Section<'_>, names: &Names, duration_ms: u64) -> Vec<Assertion> {
    let sections = file.sections("assertions", &KEYS);
    if sections.is_empty() {
        let message = "no assertion: a run that nothing is asked of cannot fail; add at least one";
        file.problem("assertions", message);
    }
    let read = |section: &Section<'_>| {
        let when = when(section, duration_ms);
        let claim = claim(section, names)?;
        let name = section.text("name").unwrap_or_else(|| claim.to_string());
        Some(Assertion { name, when: when?, claim })
    };
    sections.iter().filter_map(read).collect()
}

/// At the end unless the file says otherwise.
fn when(section: &Section<'_>, duration_ms: u64) -> Option<When> {
    let at_ms = match section.has("at") {
        true => time(section, "at", duration_ms)?,
        false => return at_no_time(section, duration_ms),
    };
    let until = |key| {
        let ms = section.duration_ms(key, Zero::Refused)?;
        let until_ms = at_ms.saturating_add(ms);
        if until_ms > duration_ms {
            let end = format_millis(duration_ms);
            let message =
                format!("reaches beyond the end of the scenario, whose duration is {end}");
            section.problem(key, message);
            return None;
        }
        Some(until_ms)
    };
    match (section.has("within"), section.has("throughout")) {
        (false, false) => Some(When::At(at_ms)),
        (true, false) => Some(When::Within(at_ms, until("within")?)),
        (false, true) => Some(When::Throughout(at_ms, until("throughout")?)),
        (true, true) => {
            section.problem("throughout", "`within` is given too; leave one of them out");
            None
        }
    }
}

fn at_no_time(section: &Section<'_>, duration_ms: u64) -> Option<When> {
    for key in ["within", "throughout"] {
        if section.has(key) {
            section.problem(key, "counts from `at`, which is missing; write for example `at: 30s`");
            return None;
        }
    }
    Some(When::At(duration_ms))
}

fn claim(section: &Section<'_>, names: &Names) -> Option<Claim> {
    let claims: Vec<&str> = CLAIMS.into_iter().filter(|key| section.has(key)).collect();
    let &[key] = claims.as_slice() else {
        // A claim that is not known has been reported by its name.
        if section.entries().all(|entry| KEYS.contains(&entry.key.as_str())) {
            let expected = CLAIMS.join(", ");
            let message = format!("expected one claim, found {}: {expected}", claims.len());
            section.report.problem(&section.path, section.at.clone(), message);
        }
        return None;
    };
    match key {
        "pool" => pool(section, names),
        "lost_nodes" => Some(Claim::LostNodes(range(section, key)?)),
        "replacements" => Some(Claim::Replacements(range(section, key)?)),
        "machines_bought" => Some(Claim::MachinesBought(range(section, key)?)),
        "spending" => Some(Claim::Spending(range(section, key)?)),
        "instances" => instances(section, names),
        "event" => event(section),
        "peak" => {
            let peak = section.section(key, &["pool", "max"])?;
            let pool = names.pool(&peak, "pool");
            if !peak.has("max") {
                peak.missing("max", "8");
            }
            Some(Claim::Peak { max: peak.whole("max", 0..=u32::MAX)?, pool: pool? })
        }
        _ => match section.flag(key)? {
            true => Some(Claim::NothingBoughtTwice),
            false => {
                section.problem(key, "only `true` can be asserted; leave it out otherwise");
                None
            }
        },
    }
}

fn pool(section: &Section<'_>, names: &Names) -> Option<Claim> {
    let pool = section.section("pool", &["name", "target", "size", "healthy"])?;
    let name = names.pool(&pool, "name");
    if !["target", "size", "healthy"].into_iter().any(|key| pool.has(key)) {
        pool.problem("name", "nothing is asserted of it; add `target`, `size` or `healthy`");
        return None;
    }
    let read = |key| if pool.has(key) { range(&pool, key).map(Some) } else { Some(None) };
    let (target, size, healthy) = (read("target"), read("size"), read("healthy"));
    Some(Claim::Pool { name: name?, target: target?, size: size?, healthy: healthy? })
}

fn instances(section: &Section<'_>, names: &Names) -> Option<Claim> {
    let instances = section.section("instances", &["provider", "pool", "count"])?;
    let provider = names.provider(&instances, "provider");
    let pool = if instances.has("pool") { Some(names.pool(&instances, "pool")?) } else { None };
    if !instances.has("count") {
        instances.missing("count", "{min: 1}");
    }
    Some(Claim::Instances { count: range(&instances, "count")?, provider: provider?, pool })
}

fn event(section: &Section<'_>) -> Option<Claim> {
    let event = section.section("event", &["kind", "subject", "count"])?;
    let kind = event_kind(&event);
    let subject = event.text("subject");
    let at_least_one = Range { min: Some(1.0), max: None };
    let count = if event.has("count") { range(&event, "count")? } else { at_least_one };
    Some(Claim::Event { kind: kind?, subject, count })
}

/// A kind that the journal knows: any other would never be seen, which `count: {max: 0}` would take for success.
fn event_kind(event: &Section<'_>) -> Option<String> {
    if !event.has("kind") {
        event.missing("kind", "node-cordoned");
    }
    let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    event.choice("kind", &known)
}

/// A number, or `{min: A, max: B}` of which one may be missing.
fn range(section: &Section<'_>, key: &str) -> Option<Range> {
    let entry = section.entry(key)?;
    if !matches!(entry.node.value, DocumentValue::Map(_)) {
        let exact = section.number(key, 0.0..=MOST);
        return exact.map(|exact| Range { min: Some(exact), max: Some(exact) });
    }
    let limits = section.section(key, &["min", "max"])?;
    let read =
        |key| if limits.has(key) { limits.number(key, 0.0..=MOST).map(Some) } else { Some(None) };
    let (min, max) = (read("min"), read("max"));
    let range = Range { min: min?, max: max? };
    match range {
        Range { min: None, max: None } => {
            section.problem(key, "no limit; add `min` or `max`");
            None
        }
        Range { min: Some(min), max: Some(max) } if min > max => {
            section.problem(key, format!("min {min} is above max {max}, so nothing can hold"));
            None
        }
        range => Some(range),
    }
}
