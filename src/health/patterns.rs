use std::{collections::HashMap, sync::Arc};

use cel::{Context, ExecutionError, extractors::This};
use regex_automata::{
    Input,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::syntax,
};

/// Bytes of a regular expression.
const MAX_PATTERN: usize = 256;
/// Bytes of memory that one may compile to.
const MAX_COMPILED: usize = 256 * 1024;
/// Bytes of memory that all of a policy may compile to.
const MAX_ALL_COMPILED: usize = 2 << 20;

/// A policy's regular expressions, compiled once to automata that take the same short time for each byte of a text
/// whatever the expression: one that would need too many states for that is refused. Classes such as `\d` and `\w` are
/// those of ASCII, and texts are matched byte by byte.
#[derive(Default)]
pub(super) struct Patterns {
    compiled: HashMap<String, dense::DFA<Vec<u32>>>,
    bytes: usize,
}

impl Patterns {
    /// Compiles a regular expression, or says why not.
    pub(super) fn add(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > MAX_PATTERN {
            let bytes = pattern.len();
            return Err(format!(
                "a regular expression of {bytes} bytes, and at most {MAX_PATTERN} are allowed"
            ));
        }
        if self.compiled.contains_key(pattern) {
            return Ok(());
        }
        let limit = MAX_COMPILED.min(MAX_ALL_COMPILED.saturating_sub(self.bytes));
        let compiled = compile(pattern, limit).map_err(|error| match error {
            Some(error) => format!("not a regular expression: {error}"),
            None if limit < MAX_COMPILED => format!(
                "the policy's regular expressions together need more than {MAX_ALL_COMPILED} bytes \
                 of memory; use fewer"
            ),
            None => format!(
                "the regular expression needs more than {MAX_COMPILED} bytes of memory; repeat less"
            ),
        })?;
        self.bytes += compiled.memory_usage();
        self.compiled.insert(pattern.to_owned(), compiled);
        Ok(())
    }

    /// Gives a context the function `matches`, if any rule uses it.
    pub(super) fn provide(self: &Arc<Self>, context: &mut Context<'_, '_>) -> Result<(), String> {
        if self.compiled.is_empty() {
            return Ok(());
        }
        let patterns = Arc::clone(self);
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
            patterns.is_match(&pattern, &text)
        };
        let provided = context.add_function("matches", matches);
        provided.map_err(|error| error.to_string())
    }

    fn is_match(&self, pattern: &str, text: &str) -> Result<bool, ExecutionError> {
        // Conditions with a pattern that is not written out have been refused.
        let wrong = |message: &str| ExecutionError::function_error("matches", message);
        let compiled = self.compiled.get(pattern).ok_or_else(|| wrong("an unknown pattern"))?;
        let found = compiled.try_search_fwd(&Input::new(text).earliest(true));
        found.map(|found| found.is_some()).map_err(|error| wrong(&error.to_string()))
    }
}

/// The automaton; no error: it needs more memory than it may.
fn compile(pattern: &str, limit: usize) -> Result<dense::DFA<Vec<u32>>, Option<String>> {
    let nfa = thompson::Compiler::new()
        .configure(thompson::Config::new().nfa_size_limit(Some(limit)).utf8(false))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .map_err(|error| error.size_limit().is_none().then(|| chain(&error)))?;
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(limit))
        .determinize_size_limit(Some(2 * limit));
    let built = dense::Builder::new().configure(config).build_from_nfa(&nfa);
    built.map_err(|error| (!error.is_size_limit_exceeded()).then(|| chain(&error)))
}

/// What an error says, with its cause.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
