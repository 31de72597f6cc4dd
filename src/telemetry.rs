//! Logs: where they go and how they look. Data belongs on stdout, so that logs are always on stderr.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// What was asked for is no filter.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is no log level: {reason}; use error, warn, info, debug, trace, or target=level pairs"
)]
pub struct FilterError {
    given: String,
    reason: String,
}

/// Starts logging on stderr for the rest of the process. `level` is a level or a filter in the syntax of
/// `RUST_LOG`. A second call changes nothing.
///
/// # Errors
///
/// If `level` is no filter.
pub fn start(level: &str, format: LogFormat) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| FilterError { given: level.to_owned(), reason: error.to_string() })?;
    let colour = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    // An error means that logging was started before, which is what the caller wants.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a mistyped level would silence a replica's log.
    #[test]
    fn a_wrong_level_is_refused_with_its_text() {
        let error = start("navarch=loud", LogFormat::Text).unwrap_err();
        assert!(error.to_string().contains("navarch=loud"), "{error}");
    }
}
