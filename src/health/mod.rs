//! Health policy: what a GPU's events mean, said in CEL. The only importer of the CEL crate.
//!
//! | file | holds |
//! |---|---|
//! | `policy` | [`Policy`]: compile a policy file, judge a report |
//! | `evaluation` | what its rules make of the events of one report |
//! | `decider` | the check or the rule that decided, and its words |
//! | `judge`, `judging` | [`Judge`]: judges reports by the fleet's policy; one report, event by event |
//! | `verdict` | [`Verdict`], [`RuleFailure`] and [`ShadowedRule`] |
//! | `look`, `history` | `history.count(...)` and the like: in a condition, and what they answer; [`Past`] |
//! | `bounds`, `cost` | how large a report may be, and how long a condition may take on the worst event |
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
//! is reported and does not match; an event for which no rule can be evaluated is degraded. A rule on trial
//! (`shadow: true`) is evaluated in its place, told of when it matches, and otherwise not there.

mod bounds;
mod condition;
mod cost;
mod decider;
mod error;
mod evaluation;
mod event;
mod file;
mod history;
mod judge;
mod judging;
mod look;
mod patterns;
mod place;
mod policy;
mod references;
mod verdict;

#[cfg(test)]
mod built_in_test;
#[cfg(test)]
mod cost_test;
#[cfg(test)]
mod history_test;
#[cfg(test)]
mod policy_fuzz_test;
#[cfg(test)]
mod policy_test;
#[cfg(test)]
mod shadow_test;

pub use decider::CHECK_NAME;
pub use error::{JudgeError, PolicyError};
pub use history::Past;
pub use judge::Judge;
pub use policy::Policy;
pub(crate) use verdict::status_word;
pub use verdict::{RuleFailure, ShadowedRule, Verdict};
