use std::{fs, path::Path};

use navarch_proto::fleet::FleetSpec;

use crate::{
    config::{self, ConfigError, DocumentValue, FAKE, Section, Yaml},
    health::Policy,
    sim::scenario::Configuration,
};

/// The configuration under a key: a map that is one, or a path to one.
pub(super) fn read(section: &Section<'_>, key: &str, folder: &Path) -> Option<Configuration> {
    let entry = section.entry(key)?;
    let read = match &entry.node.value {
        DocumentValue::Map(_) => {
            let place = (section.key(key), entry.key_span.clone());
            let (fleet, policy) = config::read_block(section.report, place, &entry.node, folder)?;
            let fleet = with_policy(section, key, (fleet, policy.as_deref()))?;
            Some(Configuration { fleet, yaml: Yaml::from(&entry.node) })
        }
        DocumentValue::Null | DocumentValue::Scalar { .. } | DocumentValue::List(_) => {
            let loaded = load(&folder.join(section.text(key)?));
            loaded.map_err(|error| section.problem(key, error.to_string())).ok()
        }
    };
    read.filter(|config| check(section, key, &config.fleet))
}

fn load(path: &Path) -> Result<Configuration, ConfigError> {
    let fleet = config::load(path)?.fleet;
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(Configuration { fleet, yaml: Yaml::read(&text, &path.display().to_string())? })
}

fn with_policy(
    section: &Section<'_>,
    key: &str,
    (mut fleet, policy): (FleetSpec, Option<&Path>),
) -> Option<FleetSpec> {
    if let Some(path) = policy {
        let text = config::read_policy(path);
        fleet.policy_yaml = text.map_err(|error| section.problem(key, error.to_string())).ok()?;
    }
    Some(fleet)
}

/// Whether a simulation can play it.
fn check(section: &Section<'_>, key: &str, fleet: &FleetSpec) -> bool {
    let mut playable = true;
    for provider in fleet.providers.iter().filter(|provider| provider.r#type != FAKE) {
        let (name, kind) = (&provider.name, &provider.r#type);
        let message =
            format!("provider {name} is of type `{kind}`; a simulation knows `{FAKE}` alone");
        section.problem(key, message);
        playable = false;
    }
    if let Err(error) = Policy::compile(&fleet.policy_yaml, 0) {
        section.problem(key, format!("health policy: {error}"));
        playable = false;
    }
    playable
}
