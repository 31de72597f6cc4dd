use std::io;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use crate::config::Problems;

/// Why a health policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Keys, rules or conditions are wrong; every one found, with its place.
    #[error(transparent)]
    Invalid(#[from] Box<Problems>),
    /// The compiler's thread could not be started or did not survive the policy.
    #[error("the health policy cannot be compiled: {0}")]
    Compiler(#[from] io::Error),
}

impl Diagnostic for PolicyError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problems().and_then(Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problems().and_then(Diagnostic::labels)
    }
}

impl PolicyError {
    /// What is wrong in the file's text.
    pub fn problems(&self) -> Option<&Problems> {
        match self {
            Self::Invalid(problems) => Some(problems),
            Self::Compiler(_) => None,
        }
    }
}

/// Why a health report is refused unread.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// More events than a report may carry.
    #[error("{count} events in one report, and at most {limit} are allowed: send several reports")]
    TooManyEvents {
        /// Events in the report.
        count: usize,
        /// The most that are judged.
        limit: usize,
    },
    /// More check results than a report may carry.
    #[error(
        "{count} check results in one report, and at most {limit} are allowed: send several reports"
    )]
    TooManyResults {
        /// Results in the report.
        count: usize,
        /// The most that are looked at.
        limit: usize,
    },
    /// More metrics than an event may carry.
    #[error(
        "event {position} has {count} metrics, and at most {limit} are allowed: send several events"
    )]
    TooManyMetrics {
        /// Which event, counted from 0.
        position: usize,
        /// Its metrics.
        count: usize,
        /// The most that are looked at.
        limit: usize,
    },
    /// A metric with a longer name or value than one may have.
    #[error(
        "the {what} of metric `{metric}` of event {position} has {bytes} bytes, and at most {limit} are allowed: put \
         text into the message"
    )]
    MetricTooLong {
        /// Which event, counted from 0.
        position: usize,
        /// The start of its name.
        metric: String,
        /// `name` or `value`.
        what: &'static str,
        /// Bytes of that.
        bytes: usize,
        /// The most that are looked at.
        limit: usize,
    },
    /// Longer texts than an event may carry.
    #[error(
        "event {position} has {bytes} bytes of text, and at most {limit} are allowed: shorten its message"
    )]
    EventTooLarge {
        /// Which event, counted from 0.
        position: usize,
        /// Bytes of its message, its GPU's id and its metrics.
        bytes: usize,
        /// The most that are looked at.
        limit: usize,
    },
}
