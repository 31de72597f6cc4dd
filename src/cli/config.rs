use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{apply, failure::Failure, invocation::Invocation};

/// `navarch config ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file alone, offline
    Validate {
        /// The file
        file: PathBuf,
    },
}

impl ConfigCommand {
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let Self::Validate { file } = self;
        let config = apply::load(&file)?;
        apply::warn(&config);
        let (pools, providers) = (config.fleet.pools.len(), config.fleet.providers.len());
        let name = file.display().to_string();
        let text = format!("{name} is valid: {pools} pools, {providers} providers");
        let value = json!({ "file": name, "valid": true, "pools": pools, "providers": providers, "warnings": config.warnings });
        invocation.printer.result(&text, &name, &value)
    }
}
