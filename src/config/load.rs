use std::{
    fs::File,
    io::Read as _,
    ops::Range,
    path::{Path, PathBuf},
};

use navarch_proto::fleet::FleetSpec;

use super::{
    defaults::Defaults,
    document::{Node, Value, parse as parse_document},
    error::ConfigError,
    pools,
    problem::Report,
    providers,
    replica::{self, ReplicaConfig},
    section::Section,
    settings,
};

/// Bytes of a configuration file: far above thousands of pools.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Bytes of a health policy file, as the policy's own reader allows.
const MAX_POLICY: u64 = 64 * 1024;

pub(super) const KEYS: [&str; 6] =
    ["server", "instance_manager", "providers", "pools", "defaults", "cluster"];

/// A configuration file, checked and with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is local to the replica that reads the file.
    pub replica: ReplicaConfig,
    /// What the file says about the fleet; providers and pools ordered by name.
    pub fleet: FleetSpec,
    /// The health policy file that `server.health_policy` names, relative paths taken from the
    /// file's folder. [`load`] has read it into `fleet.policy_yaml`; [`parse`] has not.
    pub health_policy: Option<PathBuf>,
    /// What loads but is probably not meant, as `FILE:LINE:COLUMN: KEY: MESSAGE`.
    pub warnings: Vec<String>,
}

/// Reads and checks a configuration file, and reads the health policy that it names. The policy's
/// own content is checked by `health::Policy::compile`.
///
/// # Errors
///
/// [`ConfigError`], with every problem found and its place.
pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
    let path = path.as_ref();
    let text = read(path, MAX_FILE)?;
    let mut config = parse(&text, &path.display().to_string())?;
    if let Some(policy) = &config.health_policy {
        config.fleet.policy_yaml = read_policy(policy)?;
    }
    Ok(config)
}

/// Reads a health policy file, whose content its compiler checks.
pub(crate) fn read_policy(path: &Path) -> Result<String, ConfigError> {
    read(path, MAX_POLICY)
}

/// Checks a configuration's text. `file_name` is for messages and for relative paths; nothing is
/// read from disk, so `fleet.policy_yaml` stays empty.
///
/// # Errors
///
/// [`ConfigError::Invalid`], with every problem found and its place.
pub fn parse(text: &str, file_name: &str) -> Result<Config, ConfigError> {
    let report = Report::new(file_name, text);
    let folder = Path::new(file_name).parent().unwrap_or(Path::new(""));
    let read = check_length(&report, text)
        .and_then(|()| parse_document(&report, text))
        .and_then(|document| read_file(&report, &document, folder));
    let Some((replica, fleet, health_policy)) = read else {
        return Err(report.refuse().into());
    };
    let warnings = report.finish()?;
    Ok(Config { replica, fleet, health_policy, warnings })
}

/// Checks a configuration that came over the wire with the health policy it names.
///
/// # Errors
///
/// [`ConfigError::Invalid`], with every problem found and its place, and if a policy is named whose
/// text did not come along.
pub fn parse_fleet(yaml: &str, policy_yaml: &str) -> Result<FleetSpec, ConfigError> {
    const NAME: &str = "configuration";
    let config = parse(yaml, NAME)?;
    if let Some(path) = config.health_policy.filter(|_| policy_yaml.is_empty()) {
        let report = Report::new(NAME, yaml);
        let message =
            format!("the text of {} did not come along; send it as `policy_yaml`", path.display());
        report.problem("server.health_policy", 0..0, message);
        report.finish()?;
    }
    let mut fleet = config.fleet;
    policy_yaml.clone_into(&mut fleet.policy_yaml);
    Ok(fleet)
}

type Parts = (ReplicaConfig, FleetSpec, Option<PathBuf>);

/// Reads a configuration that is a block of another file, under the key `path`. `folder` is for relative paths; the
/// policy that it names is not read.
pub(crate) fn read_block(
    report: &Report,
    (path, at): (String, Range<usize>),
    block: &Node,
    folder: &Path,
) -> Option<(FleetSpec, Option<PathBuf>)> {
    let block = Section::open(report, path, (at, block), &KEYS)?;
    let (_, fleet, health_policy) = read_section(&block, folder);
    Some((fleet, health_policy))
}

fn read_file(report: &Report, document: &Node, folder: &Path) -> Option<Parts> {
    if matches!(document.value, Value::Null) {
        report.problem("", 0..0, "the file is empty; start from `deploy/examples/replica.yaml`");
        return None;
    }
    let file = Section::open(report, String::new(), (0..0, document), &KEYS)?;
    Some(read_section(&file, folder))
}

fn read_section(file: &Section<'_>, folder: &Path) -> Parts {
    let server = file.section("server", &settings::SERVER_KEYS);
    let manager = file.section("instance_manager", &settings::MANAGER_KEYS);
    let settings = settings::read(server.as_ref(), manager.as_ref());
    let health_policy = server.as_ref().and_then(|server| server.text("health_policy"));
    let replica = replica::read(file, server.as_ref(), folder);
    let providers = providers::read(file);
    let defaults = Defaults::read(file);
    let pools = pools::read(file, &providers, &defaults);
    let fleet = FleetSpec {
        settings: Some(settings),
        providers: providers.specs,
        pools,
        policy_yaml: String::new(),
    };
    let health_policy = health_policy.filter(|path| !path.is_empty());
    (replica, fleet, health_policy.map(|path| folder.join(path)))
}

fn check_length(report: &Report, text: &str) -> Option<()> {
    let bytes = text.len() as u64;
    if bytes > MAX_FILE {
        report.problem("", 0..0, format!("{bytes} bytes, and at most {MAX_FILE} are allowed"));
        return None;
    }
    Some(())
}

fn read(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            limit,
        });
    }
    String::from_utf8(bytes).map_err(|error| ConfigError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}
