use std::{collections::BTreeMap, time::Duration};

use super::names::Names;
use crate::{
    config::{Section, Zero},
    sim::scenario::CloudPlan,
};

const KEYS: [&str; 3] = ["boot_delay", "shutdown_delay", "capacity"];
/// Machines of one type at most.
const MOST: u32 = 1_000_000;

/// `clouds`: how each provider behaves.
pub(super) fn read(file: &Section<'_>, names: &Names) -> BTreeMap<String, CloudPlan> {
    let known = names.providers();
    let Some(clouds) = file.section("clouds", &known) else { return BTreeMap::new() };
    let entries = clouds.entries().filter(|entry| known.contains(&entry.key.as_str()));
    let plan = |name: &str| {
        let cloud = clouds.section(name, &KEYS)?;
        let delay = |key, default: Duration| {
            cloud.duration_ms(key, Zero::Allowed).map_or(default, Duration::from_millis)
        };
        let default = CloudPlan::default();
        Some(CloudPlan {
            boot_delay: delay("boot_delay", default.boot_delay),
            shutdown_delay: delay("shutdown_delay", default.shutdown_delay),
            capacity: capacity(&cloud),
        })
    };
    let plans = entries.filter_map(|entry| Some((entry.key.clone(), plan(&entry.key)?)));
    plans.collect()
}

fn capacity(cloud: &Section<'_>) -> BTreeMap<String, u32> {
    let Some(capacity) = cloud.free_section("capacity") else { return BTreeMap::new() };
    let entries = capacity.entries();
    entries
        .filter_map(|entry| Some((entry.key.clone(), capacity.whole(&entry.key, 0..=MOST)?)))
        .collect()
}
