use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use navarch_proto::api;

use super::{
    failure::Failure,
    invocation::Invocation,
    output::{Format, message, message_value},
};
use crate::{client::rpc::ApplyFleet, config};

/// `navarch apply -f FILE [--dry-run] [--force]`
#[derive(Clone, Debug, Args)]
pub(crate) struct ApplyArguments {
    /// The configuration file
    #[arg(short, long = "file", value_name = "FILE")]
    file: PathBuf,
    /// Print the difference and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove pools and providers that the file leaves out although they have machines: these are drained and given
    /// back, then the pool goes
    #[arg(long)]
    force: bool,
}

impl ApplyArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let config = load(&self.file)?;
        warn(&config);
        let yaml = fs::read_to_string(&self.file).map_err(|error| {
            Failure::usage(format!("cannot read {}: {error}", self.file.display()))
        })?;
        let request = api::ApplyFleetRequest {
            yaml,
            dry_run: self.dry_run,
            policy_yaml: config.fleet.policy_yaml,
            force: self.force,
        };
        let what = format!("apply {}", self.file.display());
        let answer = invocation.call::<ApplyFleet>(&what, request).await?;
        print(&answer, self.dry_run, invocation)
    }
}

fn print(
    answer: &api::ApplyFleetResponse,
    dry_run: bool,
    invocation: &mut Invocation,
) -> Result<(), Failure> {
    match invocation.printer.format() {
        Format::Json | Format::Yaml => {
            let value = message_value("navarch.ApplyFleetResponse", answer)?;
            return invocation.printer.value(&value);
        }
        Format::Table | Format::Wide | Format::Name => {}
    }
    for change in &answer.changes {
        invocation.printer.line(change)?;
    }
    let count = answer.changes.len();
    message(&match (count, dry_run) {
        (0, _) => "the fleet is already as the file says".to_owned(),
        (1, true) => "1 change; nothing was changed (--dry-run)".to_owned(),
        (_, true) => format!("{count} changes; nothing was changed (--dry-run)"),
        (1, false) => "1 change applied".to_owned(),
        (_, false) => format!("{count} changes applied"),
    });
    Ok(())
}

/// Loads a configuration file; a wrong one points at the lines that are wrong.
pub(crate) fn load(path: &Path) -> Result<config::Config, Failure> {
    config::load(path).map_err(Failure::wrong_file)
}

/// Tells what loads but is probably not meant.
pub(crate) fn warn(config: &config::Config) {
    for warning in &config.warnings {
        message(&format!("warning: {warning}"));
    }
}
