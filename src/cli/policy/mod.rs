//! `navarch policy`: health policies, offline.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the commands |
//! | `events` | events as they are given, and when each came |
//! | `samples` | an event of every kind, for who gives none |
//! | `outcome` | what a policy made of an event, and how it is told |

mod events;
mod outcome;
pub(super) mod samples;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use navarch_host::Clock;
use serde_json::json;

use self::{
    events::{Given, Node},
    outcome::Outcome,
};
use super::{
    failure::Failure,
    invocation::Invocation,
    output::{Format, message},
};
use crate::{config::read_policy, health::Policy};

/// `navarch policy ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check a health policy alone, offline
    Validate(FileArguments),
    /// Show which rule decides on an event, and what that costs, offline
    Test(TestArguments),
}

/// Which policy.
#[derive(Clone, Debug, Args)]
pub(crate) struct FileArguments {
    /// The policy file; without it the built-in policy
    #[arg(short, long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `navarch policy test`
#[derive(Clone, Debug, Args)]
pub(crate) struct TestArguments {
    #[command(flatten)]
    policy: FileArguments,
    /// A health event as JSON, a list of them, or @FILE that holds either. Given several times they are one node's
    /// history: each comes at its own timestamp, or a minute after the one before. Without any: samples of every kind,
    /// each of a node of its own
    #[arg(long = "event", value_name = "JSON")]
    events: Vec<String>,
}

impl PolicyCommand {
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Validate(arguments) => validate(&arguments, invocation),
            Self::Test(arguments) => test(&arguments, invocation),
        }
    }
}

impl FileArguments {
    /// The policy, and what it is called.
    pub(in crate::cli) fn load(&self) -> Result<(Policy, String), Failure> {
        load(self.file.as_deref())
    }
}

/// A file's policy, or the built-in one; and its name.
fn load(file: Option<&Path>) -> Result<(Policy, String), Failure> {
    let (name, yaml) = match file {
        None => ("the built-in policy".to_owned(), String::new()),
        Some(path) => {
            let name = path.display().to_string();
            let yaml = read_policy(path).map_err(Failure::wrong_file)?;
            if yaml.is_empty() {
                let wrong = Failure::usage(format!("{name} is empty"));
                return Err(wrong.help("leave -f out for the built-in policy"));
            }
            (name, yaml)
        }
    };
    let policy = Policy::compile_file(&name, &yaml, 0).map_err(Failure::wrong_file)?;
    Ok((policy, name))
}

fn validate(arguments: &FileArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let (policy, name) = arguments.load()?;
    let (rules, most_us) = (policy.rule_names().count(), policy.most_us());
    let shadow: Vec<&str> = policy.shadow_rules().collect();
    let on_trial = match shadow.len() {
        0 => String::new(),
        count => format!(" ({count} on trial)"),
    };
    let text = format!(
        "{name} is valid: {rules} rules{on_trial}, at most {most_us} us for the worst event"
    );
    let value = json!({
        "file": name,
        "valid": true,
        "name": policy.name(),
        "rules": policy.rule_names().collect::<Vec<_>>(),
        "shadow_rules": shadow,
        "most_us": most_us,
        "looks_at_history": policy.looks_back(),
    });
    invocation.printer.result(&text, &name, &value)
}

fn test(arguments: &TestArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let (policy, name) = arguments.policy.load()?;
    let outcomes = outcomes(&policy, &arguments.events, &invocation.clock)?;
    let printer = &mut invocation.printer;
    match printer.format() {
        Format::Json | Format::Yaml => {
            let values: Result<Vec<_>, _> = outcomes.iter().map(Outcome::value).collect();
            printer.value(&values?)?;
        }
        Format::Name => {
            for outcome in &outcomes {
                printer.line(outcome.rule())?;
            }
        }
        Format::Table | Format::Wide => {
            let table = outcome::table(&outcomes, printer.screen());
            printer.line(&table)?;
            message(&format!("{name}: at most {} us for the worst event", policy.most_us()));
        }
    }
    for failure in outcomes.iter().flat_map(Outcome::failures) {
        message(&format!("rule {} could not be evaluated: {}", failure.rule, failure.error));
    }
    Ok(())
}

fn outcomes(policy: &Policy, events: &[String], clock: &Clock) -> Result<Vec<Outcome>, Failure> {
    if events.is_empty() {
        let samples = samples::all().into_iter().map(Given::sample);
        return samples.map(|given| Node::default().report(policy, given, clock)).collect();
    }
    let mut node = Node::default();
    let given = events::read(events)?;
    given.into_iter().map(|given| node.report(policy, given, clock)).collect()
}
