//! A scenario file, read with the reader of the configuration file: all mistakes at once, each with its place.
//!
//! | file | reads |
//! |---|---|
//! | `mod` | the file and what it says of the fleet |
//! | `configuration` | a configuration, written out or named |
//! | `clouds` | how providers behave |
//! | `timeline`, `assertions` | the lists of these names |
//! | `names` | which pools and providers there are |

mod assertions;
mod clouds;
mod configuration;
mod names;
#[cfg(test)]
mod read_test;
mod timeline;

use std::{fs, path::Path};

use self::names::Names;
use super::scenario::Scenario;
use crate::config::{ConfigError, DocumentNode, Report, Section, Zero, parse_document};

/// Bytes of a scenario file at most.
const MAX_FILE: usize = 1024 * 1024;
/// Longest scenario: a month.
const LONGEST_MS: u64 = 31 * 24 * 3_600_000;
/// When scenarios begin unless they say otherwise: a Monday at midnight, UTC.
const DEFAULT_START: &str = "2026-03-02T00:00:00Z";

const KEYS: [&str; 9] = [
    "name",
    "description",
    "duration",
    "seed",
    "start",
    "config",
    "clouds",
    "timeline",
    "assertions",
];

/// Reads and checks a scenario file, and the files that it names.
///
/// # Errors
///
/// [`ConfigError`], with every problem found and its place.
pub fn load(path: impl AsRef<Path>) -> Result<Scenario, ConfigError> {
    let path = path.as_ref();
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, &path.display().to_string())
}

/// Checks a scenario's text. `file_name` is for messages, and for the files that it names.
///
/// # Errors
///
/// [`ConfigError::Invalid`], with every problem found and its place.
pub fn parse(text: &str, file_name: &str) -> Result<Scenario, ConfigError> {
    let report = Report::new(file_name, text);
    let folder = Path::new(file_name).parent().unwrap_or(Path::new(""));
    if text.len() > MAX_FILE {
        let message = format!("{} bytes, and at most {MAX_FILE} are allowed", text.len());
        report.problem("", 0..0, message);
        return Err(report.refuse().into());
    }
    let read = parse_document(&report, text)
        .and_then(|document| read_scenario(&report, &document, folder));
    let Some(scenario) = read else {
        return Err(report.refuse().into());
    };
    report.finish()?;
    Ok(scenario)
}

fn read_scenario(report: &Report, document: &DocumentNode, folder: &Path) -> Option<Scenario> {
    let file = Section::open(report, String::new(), (0..0, document), &KEYS)?;
    let name = file.required_text("name", "basic-fleet");
    let duration_ms = duration(&file);
    let start_ms = start(&file);
    let seed = file.whole("seed", 0..=u32::MAX).unwrap_or(1);
    if !file.has("config") {
        file.missing("config", "fleet.yaml");
    }
    let config = configuration::read(&file, "config", folder);
    // Without these nothing else can be checked.
    let (duration_ms, config) = (duration_ms?, config?);
    let names = Names::of(report, document, &config.fleet, folder);
    let clouds = clouds::read(&file, &names);
    let timeline = timeline::read(&file, &names, (duration_ms, folder));
    let assertions = assertions::read(&file, &names, duration_ms);
    Some(Scenario {
        name: name?,
        description: file.text("description").unwrap_or_default(),
        duration_ms,
        seed: seed.into(),
        start_ms: start_ms?,
        config,
        clouds,
        timeline,
        assertions,
    })
}

fn duration(file: &Section<'_>) -> Option<u64> {
    if !file.has("duration") {
        file.missing("duration", "10m");
    }
    let duration_ms = file.duration_ms("duration", Zero::Refused)?;
    if duration_ms > LONGEST_MS {
        file.problem("duration", "longer than 31 days, which is the most");
        return None;
    }
    Some(duration_ms)
}

fn start(file: &Section<'_>) -> Option<u64> {
    let text = file.text("start").unwrap_or_else(|| DEFAULT_START.to_owned());
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let start_ms = parsed.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    if start_ms.is_none() {
        file.problem("start", format!("not a time; write for example `start: {DEFAULT_START}`"));
    }
    start_ms
}
