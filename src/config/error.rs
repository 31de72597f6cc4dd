use std::{io, path::PathBuf};

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::problem::Problems;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or the health policy that it names, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file as it was asked for.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{} has {bytes} bytes, and at most {limit} are allowed; is it a configuration file?", path.display())]
    TooLarge {
        /// The file as it was asked for.
        path: PathBuf,
        /// Its length, or how far it was read.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The file is not UTF-8.
    #[error("{} is not UTF-8 text: byte {offset} is wrong; save it as UTF-8", path.display())]
    NotText {
        /// The file as it was asked for.
        path: PathBuf,
        /// Position of the first wrong byte.
        offset: usize,
    },
    /// Keys or values are wrong; every one found, with its place.
    #[error(transparent)]
    Invalid(#[from] Box<Problems>),
}

impl Diagnostic for ConfigError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problems().and_then(Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problems().and_then(Diagnostic::labels)
    }
}

impl ConfigError {
    /// What is wrong in the file's text; `None` if it could not be read as text.
    pub fn problems(&self) -> Option<&Problems> {
        match self {
            Self::Invalid(problems) => Some(problems),
            Self::Read { .. } | Self::TooLarge { .. } | Self::NotText { .. } => None,
        }
    }
}
