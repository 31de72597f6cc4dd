//! One page of everything that runs under faults left behind, and its short form.
//!
//! | file | what |
//! |---|---|
//! | `digest` | [`Digest`]: all records, added up and ordered by what a reader must see first |
//! | `findings` | invariants over all runs, the broken ones first |
//! | `coverage` | how often each fault was injected, skipped, or nobody knows |
//! | `simulated`, `newest` | seeds of all runs, each counted once, and which run of a seed counts |
//! | `html`, `sections`, `measured`, `planted` | the page: its frame, its tables, what was measured, and planted bugs |
//! | `axis`, `timeline`, `around`, `strips` | drawings: scales, a run over time, a fault close up, waits side by side |
//! | `markdown` | the short form |
//! | `words` | numbers, times and durations for people |
//!
//! What is missing is said, in both: a reader must not take silence for a pass. Whatever a record holds is text and never
//! markup.

mod around;
mod axis;
mod coverage;
mod digest;
mod findings;
mod html;
mod markdown;
mod measured;
mod newest;
mod planted;
mod sections;
mod simulated;
mod strips;
mod timeline;
mod words;

#[cfg(test)]
mod page_test;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
pub use digest::{Digest, Outcome};
pub use html::html;
pub use markdown::markdown;

use crate::{error::ChaosError, record::RunRecord};

/// `navarch-chaos report`
#[derive(Args, Clone, Debug)]
pub struct PageOptions {
    /// Where runs left their records
    pub directory: PathBuf,
    /// Where the page goes
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where its short form goes
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Reads all records and writes what was asked for; answers the short form if nothing was, else what was found, in a
/// line.
///
/// # Errors
///
/// If there are no records, one cannot be read, or a file cannot be written.
pub fn write_page(options: &PageOptions) -> Result<String, ChaosError> {
    let records = RunRecord::load_all(&options.directory)?;
    if records.is_empty() {
        let problem = format!(
            "{} holds no records; runs write them with --record",
            options.directory.display()
        );
        return Err(ChaosError::Tool { program: "the report".to_owned(), problem });
    }
    let digest = Digest::of(records);
    let outcome = digest.outcome().headline();
    let outcome = format!("{} records: {outcome}", digest.runs.len());
    let (page, short) = (&options.html, &options.markdown);
    if let Some(path) = page {
        write(path, &html(&digest))?;
    }
    if let Some(path) = short {
        write(path, &markdown(&digest))?;
    }
    Ok(if page.is_none() && short.is_none() { markdown(&digest) } else { outcome })
}

fn write(path: &Path, text: &str) -> Result<(), ChaosError> {
    fs::write(path, text).map_err(ChaosError::system(format!("write {}", path.display())))
}
