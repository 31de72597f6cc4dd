use std::{collections::HashMap, sync::Arc};

use cel::{Context, ExecutionError, extractors::This};
use regex::{Regex, RegexBuilder};

/// Bytes of a regular expression.
const MAX_PATTERN: usize = 256;
/// Bytes of memory that one may compile to.
const MAX_COMPILED: usize = 1 << 20;

/// A policy's regular expressions, compiled once. CEL's own `matches` would compile one at each
/// evaluation, which takes milliseconds for one that names classes such as `\\w`.
#[derive(Default)]
pub(super) struct Patterns(HashMap<String, Regex>);

impl Patterns {
    /// Compiles a regular expression, or says why not.
    pub(super) fn add(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > MAX_PATTERN {
            let bytes = pattern.len();
            return Err(format!(
                "a regular expression of {bytes} bytes, and at most {MAX_PATTERN} are allowed"
            ));
        }
        if self.0.contains_key(pattern) {
            return Ok(());
        }
        let mut builder = RegexBuilder::new(pattern);
        let limited = builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED);
        let compiled = limited.build().map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => {
                format!(
                    "the regular expression needs more than {limit} bytes of memory; repeat less"
                )
            }
            error => format!("not a regular expression: {error}"),
        })?;
        self.0.insert(pattern.to_owned(), compiled);
        Ok(())
    }

    /// Gives a context the function `matches`, if any rule uses it.
    pub(super) fn provide(self: &Arc<Self>, context: &mut Context<'_, '_>) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let patterns = Arc::clone(self);
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
            let compiled = patterns.0.get(pattern.as_str());
            // Conditions with a pattern that is not written out have been refused.
            let unknown = || ExecutionError::function_error("matches", "an unknown pattern");
            compiled.map(|compiled| compiled.is_match(&text)).ok_or_else(unknown)
        };
        let provided = context.add_function("matches", matches);
        provided.map_err(|error| error.to_string())
    }
}
