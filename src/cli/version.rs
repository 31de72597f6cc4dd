use clap::Args;
use serde_json::json;

use super::{failure::Failure, invocation::Invocation};

/// `navarch version`
#[derive(Clone, Debug, Args)]
pub(crate) struct VersionArguments {}

impl VersionArguments {
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let text = format!("navarch {version}");
        let value = json!({ "name": "navarch", "version": version });
        invocation.printer.result(&text, version, &value)
    }
}
