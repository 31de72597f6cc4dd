use std::path::PathBuf;

use clap::Args;

use super::{blocking, summary::Summary, unusable};
use crate::{
    cli::{failure::Failure, invocation::Invocation, output::Format},
    ledger::read_saved,
};

/// `navarch snapshot inspect FILE`
#[derive(Clone, Debug, Args)]
pub(crate) struct InspectArguments {
    /// The snapshot
    file: PathBuf,
}

impl InspectArguments {
    pub(super) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let file = self.file.clone();
        let summary = blocking(move || {
            let (saved, fleet) = read_saved(&file).map_err(|error| unusable(&error))?;
            Ok(Summary::of(saved.info(), &fleet))
        });
        let summary = summary.await?;
        let now_ms = invocation.clock.wall_ms();
        let printer = &mut invocation.printer;
        match printer.format() {
            Format::Table | Format::Wide => {
                let wide = printer.format() == Format::Wide;
                let text = summary.render(now_ms, wide, printer.screen());
                printer.line(&text)
            }
            Format::Name => printer.line(&self.file.display().to_string()),
            Format::Json | Format::Yaml => printer.value(&summary.value()?),
        }
    }
}
