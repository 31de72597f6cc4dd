use std::path::Path;

use super::{configuration, names::Names};
use crate::{
    config::{Section, Zero, format_millis},
    sim::{
        scenario::Mark,
        step::{Choice, Count, Drought, Failure, Load, Queue, Step},
    },
};

const KEYS: [&str; 12] = [
    "at",
    "load",
    "queue",
    "fail",
    "revive",
    "drought",
    "drought_ends",
    "cordon",
    "drain",
    "uncordon",
    "scale",
    "apply",
];
const FAILURES: [&str; 4] = ["silent", "vanish", "xid", "check"];

/// Nodes of a pool at most.
const MOST: u32 = 1_000_000;
/// How long reported figures hold, unless the scenario says otherwise, and at most.
const REPORT_HOLDS_MS: u64 = 300_000;
const LONGEST_REPORT_MS: u64 = 3_600_000;
/// How long a drain may take unless the scenario says otherwise: one hour.
const DRAIN_DEADLINE_MS: u64 = 3_600_000;
/// How long a target set by hand holds unless the scenario says otherwise: one hour.
const HOLD_MS: u64 = 3_600_000;

/// `timeline`: what happens, the earliest first.
pub(super) fn read(
    file: &Section<'_>,
    names: &Names,
    (duration_ms, folder): (u64, &Path),
) -> Vec<Mark> {
    let marks = file.sections("timeline", &KEYS);
    let read = |mark: &Section<'_>| {
        let at_ms = time(mark, "at", duration_ms);
        let step = step(mark, names, folder);
        Some(Mark { at_ms: at_ms?, step: step? })
    };
    let mut timeline: Vec<_> = marks.iter().filter_map(read).collect();
    timeline.sort_by_key(|mark| mark.at_ms);
    timeline
}

/// A time within the scenario that must be given.
pub(super) fn time(section: &Section<'_>, key: &str, duration_ms: u64) -> Option<u64> {
    if !section.has(key) {
        section.missing(key, "30s");
    }
    let at_ms = section.duration_ms(key, Zero::Allowed)?;
    if at_ms > duration_ms {
        let end = format_millis(duration_ms);
        section.problem(key, format!("after the end of the scenario, whose duration is {end}"));
        return None;
    }
    Some(at_ms)
}

fn step(mark: &Section<'_>, names: &Names, folder: &Path) -> Option<Step> {
    let steps = KEYS[1..].iter().copied().filter(|key| mark.has(key));
    let steps: Vec<&str> = steps.collect();
    let &[key] = steps.as_slice() else {
        // A step that is not known has been reported by its name.
        if mark.entries().all(|entry| KEYS.contains(&entry.key.as_str())) {
            let expected = KEYS[1..].join(", ");
            let message =
                format!("expected one step beside `at`, found {}: {expected}", steps.len());
            mark.problem("at", message);
        }
        return None;
    };
    match key {
        "load" => load(mark, names),
        "queue" => queue(mark, names),
        "fail" => fail(mark, names),
        "revive" => Some(Step::Revive(choice(mark, "revive", names)?)),
        "drought" => Some(Step::Drought(drought(mark, "drought", names)?)),
        "drought_ends" => Some(Step::DroughtEnds(drought(mark, "drought_ends", names)?)),
        "cordon" => Some(Step::Cordon(choice(mark, "cordon", names)?)),
        "drain" => drain(mark, names),
        "uncordon" => Some(Step::Uncordon(choice(mark, "uncordon", names)?)),
        "scale" => scale(mark, names),
        _ => {
            let apply = mark.section("apply", &["config", "force"])?;
            if !apply.has("config") {
                apply.missing("config", "changed.yaml");
            }
            let force = apply.flag("force").unwrap_or(false);
            let config = configuration::read(&apply, "config", folder)?;
            Some(Step::Apply(Box::new(config), force))
        }
    }
}

fn load(mark: &Section<'_>, names: &Names) -> Option<Step> {
    let load = mark.section("load", &["pool", "to", "over"])?;
    let pool = names.pool(&load, "pool");
    if !load.has("to") {
        load.missing("to", "90");
    }
    let to = load.number("to", 0.0..=100.0);
    let over_ms = load.duration_ms("over", Zero::Allowed).unwrap_or(0);
    Some(Step::Load(Load { pool: pool?, to: to?, over_ms }))
}

fn queue(mark: &Section<'_>, names: &Names) -> Option<Step> {
    let queue = mark.section("queue", &["pool", "depth", "pending", "ttl"])?;
    let pool = names.pool(&queue, "pool");
    let (depth, pending) = (queue.whole("depth", 0..=MOST), queue.whole("pending", 0..=MOST));
    if !queue.has("depth") && !queue.has("pending") {
        queue.missing("depth", "40");
    }
    let ttl_ms = queue.duration_ms("ttl", Zero::Refused).unwrap_or(REPORT_HOLDS_MS);
    if ttl_ms > LONGEST_REPORT_MS {
        queue.problem("ttl", "a report holds for one hour at most; report again later");
        return None;
    }
    Some(Step::Queue(Queue { pool: pool?, depth, pending, ttl_ms }))
}

fn fail(mark: &Section<'_>, names: &Names) -> Option<Step> {
    let keys = ["pool", "nodes", "percent", "how", "xid", "check"];
    let fail = mark.section("fail", &keys)?;
    let choice = read_choice(&fail, names);
    if !fail.has("how") {
        fail.missing("how", "silent");
    }
    let how = fail.choice("how", &FAILURES)?;
    for key in ["xid", "check"] {
        if fail.has(key) && key != how {
            fail.problem(key, format!("says nothing with `how: {how}`; leave it out"));
        }
    }
    let failure = match how.as_str() {
        "silent" => Failure::Silent,
        "vanish" => Failure::Vanish,
        "xid" => {
            if !fail.has("xid") {
                fail.missing("xid", "79");
            }
            Failure::Xid(fail.whole("xid", 0..=100_000)?)
        }
        _ => Failure::Check(fail.required_text("check", "gpu")?),
    };
    Some(Step::Fail(choice?, failure))
}

fn drain(mark: &Section<'_>, names: &Names) -> Option<Step> {
    let drain = mark.section("drain", &["pool", "nodes", "percent", "deadline"])?;
    let choice = read_choice(&drain, names);
    let deadline_ms = drain.duration_ms("deadline", Zero::Allowed).unwrap_or(DRAIN_DEADLINE_MS);
    Some(Step::Drain(choice?, deadline_ms))
}

fn scale(mark: &Section<'_>, names: &Names) -> Option<Step> {
    let scale = mark.section("scale", &["pool", "nodes", "hold"])?;
    let pool = names.pool(&scale, "pool");
    if !scale.has("nodes") {
        scale.missing("nodes", "4");
    }
    let nodes = scale.whole("nodes", 0..=MOST);
    let hold_ms = scale.duration_ms("hold", Zero::Allowed).unwrap_or(HOLD_MS);
    Some(Step::Scale { pool: pool?, nodes: nodes?, hold_ms })
}

fn drought(mark: &Section<'_>, key: &str, names: &Names) -> Option<Drought> {
    let drought = mark.section(key, &["provider", "instance_type"])?;
    let provider = names.provider(&drought, "provider");
    let instance_type = drought.text("instance_type");
    Some(Drought { provider: provider?, instance_type })
}

fn choice(mark: &Section<'_>, key: &str, names: &Names) -> Option<Choice> {
    read_choice(&mark.section(key, &["pool", "nodes", "percent"])?, names)
}

/// `pool`, with `nodes` or `percent` or neither, which is all.
fn read_choice(section: &Section<'_>, names: &Names) -> Option<Choice> {
    let pool = names.pool(section, "pool");
    let nodes = section.whole("nodes", 1..=MOST);
    let percent = section.number("percent", 0.1..=100.0);
    let count = match (section.has("nodes"), section.has("percent")) {
        (true, true) => {
            section.problem("percent", "`nodes` is given too; leave one of them out");
            return None;
        }
        (true, false) => Count::Nodes(nodes?),
        (false, true) => Count::Percent(percent?),
        (false, false) => Count::All,
    };
    Some(Choice { pool: pool?, count })
}
