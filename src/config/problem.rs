use std::{cell::RefCell, fmt, ops::Range, sync::Arc};

use miette::{LabeledSpan, NamedSource, SourceCode};

/// More problems than this in one file are counted, not listed.
const MAX_LISTED: usize = 50;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key's full name, such as `pools.training.max_nodes`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Bytes of the file's text.
    pub span: Range<usize>,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Everything that is wrong with one file. Displays as one line a problem, `FILE:LINE:COLUMN: KEY:
/// MESSAGE`; as a [`miette::Diagnostic`] it points at each in the text.
#[derive(Debug)]
pub struct Problems {
    source: NamedSource<Arc<str>>,
    found: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// The problems in the order of the file; never empty.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }

    /// The file's name as it was given.
    pub fn file_name(&self) -> &str {
        self.source.name()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.found.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}:{problem}", self.source.name())?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(formatter, "\n{}: and {more} more", self.source.name()),
        }
    }
}

impl std::error::Error for Problems {}

impl miette::Diagnostic for Problems {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |problem: &Problem| {
            LabeledSpan::new_with_span(Some(problem.message.clone()), problem.span.clone())
        };
        Some(Box::new(self.found.iter().map(label)))
    }
}

/// Collects problems and warnings while a file is read, so that one run tells all of them.
pub(crate) struct Report {
    name: String,
    text: Arc<str>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Report {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: Arc::from(text),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// A report on the same text whose problems nobody hears of, for a first look.
    pub(crate) fn aside(&self) -> Self {
        Self::new(&self.name, &self.text)
    }

    /// Something that makes the file unusable.
    pub(crate) fn problem(&self, key: &str, span: Range<usize>, message: impl Into<String>) {
        let problem = self.locate(key, span, message.into());
        self.problems.borrow_mut().push(problem);
    }

    /// Something that loads but is probably not meant.
    pub(crate) fn warning(&self, key: &str, span: Range<usize>, message: impl Into<String>) {
        let problem = self.locate(key, span, message.into());
        self.warnings.borrow_mut().push(problem);
    }

    /// The warnings, one line each, if there was no problem.
    pub(crate) fn finish(self) -> Result<Vec<String>, Box<Problems>> {
        if !self.problems.borrow().is_empty() {
            return Err(self.refuse());
        }
        let line = |warning: Problem| format!("{}:{warning}", self.name);
        Ok(self.warnings.into_inner().into_iter().map(line).collect())
    }

    /// The file cannot be used; a reader that gave up has reported why.
    pub(crate) fn refuse(self) -> Box<Problems> {
        let mut found = self.problems.into_inner();
        found.sort_by_key(|problem| problem.span.start);
        let more = found.len().saturating_sub(MAX_LISTED);
        found.truncate(MAX_LISTED);
        let source = NamedSource::new(self.name, self.text).with_language("yaml");
        Box::new(Problems { source, found, more })
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> usize {
        self.text.len()
    }

    /// The slice of the file that a span covers; empty if it covers none.
    pub(crate) fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line, counted from 1, in which a span starts.
    pub(crate) fn line_of(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        before.matches('\n').count() + 1
    }

    fn locate(&self, key: &str, span: Range<usize>, message: String) -> Problem {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.line_of(&span);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Problem { key: key.to_owned(), message, span, line, column }
    }
}
