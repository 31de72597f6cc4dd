use std::{collections::BTreeSet, path::Path};

use navarch_proto::fleet::FleetSpec;

use super::configuration;
use crate::config::{DocumentNode, DocumentValue, Report, Section, nearest};

/// The pools and providers of all of a scenario's configurations.
pub(super) struct Names {
    pools: BTreeSet<String>,
    providers: BTreeSet<String>,
}

impl Names {
    /// Those of the first configuration and of those that the timeline applies. What is wrong with the latter is
    /// reported when the timeline is read.
    pub(super) fn of(
        report: &Report,
        document: &DocumentNode,
        first: &FleetSpec,
        folder: &Path,
    ) -> Self {
        let mut names = Self { pools: BTreeSet::new(), providers: BTreeSet::new() };
        names.add(first);
        let quiet = report.aside();
        if let Some(file) = Section::open_free(&quiet, String::new(), (0..0, document))
            && let Some(timeline) = file.entry("timeline")
            && let DocumentValue::List(items) = &timeline.node.value
        {
            for item in items {
                let place = (item.span.clone(), item);
                let mark = Section::open_free(&quiet, String::new(), place);
                let apply = mark.and_then(|mark| mark.free_section("apply"));
                if let Some(config) =
                    apply.and_then(|apply| configuration::read(&apply, "config", folder))
                {
                    names.add(&config.fleet);
                }
            }
        }
        names
    }

    fn add(&mut self, config: &FleetSpec) {
        self.pools.extend(config.pools.iter().map(|pool| pool.name.clone()));
        self.providers.extend(config.providers.iter().map(|one| one.name.clone()));
    }

    /// The pool under a key, which must be given and known.
    pub(super) fn pool(&self, section: &Section<'_>, key: &str) -> Option<String> {
        known(section, key, ("pool", &self.pools))
    }

    /// The provider under a key, which must be given and known.
    pub(super) fn provider(&self, section: &Section<'_>, key: &str) -> Option<String> {
        known(section, key, ("provider", &self.providers))
    }

    /// All providers.
    pub(super) fn providers(&self) -> Vec<&str> {
        self.providers.iter().map(String::as_str).collect()
    }
}

fn known(
    section: &Section<'_>,
    key: &str,
    (what, names): (&str, &BTreeSet<String>),
) -> Option<String> {
    let name = section.required_text(key, names.first().map_or("training", String::as_str))?;
    if names.contains(&name) {
        return Some(name);
    }
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    let hint = match nearest(&name, &all) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the configuration has {}", all.join(", ")),
    };
    section.problem(key, format!("there is no {what} `{name}`; {hint}"));
    None
}
