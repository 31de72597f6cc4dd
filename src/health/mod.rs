//! Health policy: what a GPU's events mean, said in CEL. The only importer of the CEL crate.
//!
//! | file | holds |
//! |---|---|
//! | `policy` | [`Policy`]: compile a policy file, judge a report |
//! | `judge` | [`Judge`]: judges reports by the fleet's policy |
//! | `verdict` | [`Verdict`] and [`RuleFailure`] |
//! | `built_in.yaml` | the policy that holds where none is configured |
//! | `file` | a policy file's YAML: keys, lengths, names |
//! | `condition` | a condition's CEL, compiled and bounded |
//! | `references` | which names a condition may use, and how much work it may ask for |
//! | `patterns` | its regular expressions, compiled once |
//! | `place` | from a place in a condition to the place in the file |
//! | `event` | an event as a rule sees it |
//! | `error` | [`PolicyError`], [`JudgeError`] |
//!
//! Rules are tried in order, and the first that matches an event gives its result; without a match
//! the event is healthy. The worst event gives the report's result. A rule that cannot be evaluated
//! is reported and does not match; an event for which no rule can be evaluated is degraded.

mod condition;
mod error;
mod event;
mod file;
mod judge;
mod patterns;
mod place;
mod policy;
mod references;
mod verdict;

#[cfg(test)]
mod built_in_test;
#[cfg(test)]
mod policy_test;

pub use error::{JudgeError, PolicyError};
pub use judge::{Judge, Unjudged};
pub use policy::{CHECK_NAME, Policy};
pub use verdict::{RuleFailure, Verdict};
