use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::AgentError;

/// Most commands remembered: a group keeps at most 100 a node, and delivers only those.
const MAX_ENTRIES: usize = 128;
/// Most bytes of output and of error text: what a group keeps.
pub(super) const MAX_TEXT: usize = 64 << 10;

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) succeeded: bool,
    pub(super) output: String,
    pub(super) error: String,
}

impl Outcome {
    pub(super) fn succeeded(output: impl Into<String>) -> Self {
        Self { succeeded: true, output: output.into(), error: String::new() }
    }

    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self { succeeded: false, output: String::new(), error: truncate(error.into()) }
    }
}

/// `text` cut to [`MAX_TEXT`] bytes, between characters.
pub(super) fn truncate(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// What is known of a command that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recall {
    /// Never seen.
    New,
    /// Begun before the agent was started anew; nobody knows how far it came.
    Interrupted,
    /// Carried out; this came of it.
    Done(Outcome),
}

/// The commands that this node has begun, so that each is carried out once however often it is delivered.
#[derive(Debug)]
pub(super) struct CommandMemory {
    path: Option<PathBuf>,
    entries: VecDeque<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    command_id: String,
    /// None while the command runs.
    outcome: Option<Outcome>,
}

impl CommandMemory {
    /// Opens the memory in `directory`, which exists; none: it lasts as long as the process.
    pub(super) fn open(directory: Option<&Path>) -> Result<Self, AgentError> {
        let Some(directory) = directory else {
            return Ok(Self { path: None, entries: VecDeque::new() });
        };
        let path = directory.join("commands.json");
        let unusable = |source| AgentError::StateDir { path: path.clone(), source };
        let entries = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| AgentError::State {
                path: path.clone(),
                problem: error.to_string(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => VecDeque::new(),
            Err(error) => return Err(unusable(error)),
        };
        Ok(Self { path: Some(path), entries })
    }

    pub(super) fn recall(&self, command_id: &str) -> Recall {
        match self.entries.iter().find(|entry| entry.command_id == command_id) {
            None => Recall::New,
            Some(Entry { outcome: None, .. }) => Recall::Interrupted,
            Some(Entry { outcome: Some(outcome), .. }) => Recall::Done(outcome.clone()),
        }
    }

    /// Remembers that a command begins. Until this has succeeded it must not begin.
    pub(super) fn begin(&mut self, command_id: &str) -> io::Result<()> {
        self.entries.push_back(Entry { command_id: command_id.to_owned(), outcome: None });
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
        let saved = self.save();
        if saved.is_err() {
            self.entries.pop_back();
        }
        saved
    }

    /// Remembers what came of it. In memory this holds even when the file cannot be written.
    pub(super) fn finish(&mut self, command_id: &str, outcome: &Outcome) -> io::Result<()> {
        for entry in self.entries.iter_mut().filter(|entry| entry.command_id == command_id) {
            entry.outcome = Some(outcome.clone());
        }
        self.save()
    }

    /// Replaces the file as a whole: either the old or the new one is there after a crash.
    fn save(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let new = path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.entries)?)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a restart of the agent between execution and acknowledgement would execute twice.
    #[test]
    fn remembers_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = CommandMemory::open(Some(directory.path())).unwrap();
        assert_eq!(memory.recall("a"), Recall::New);
        memory.begin("a").unwrap();
        memory.begin("b").unwrap();
        let outcome = Outcome::succeeded("done");
        memory.finish("a", &outcome).unwrap();
        let memory = CommandMemory::open(Some(directory.path())).unwrap();
        assert_eq!(memory.recall("a"), Recall::Done(outcome));
        assert_eq!(memory.recall("b"), Recall::Interrupted);
        assert_eq!(memory.recall("c"), Recall::New);
    }

    /// Without it a long-lived agent's memory would grow without end.
    #[test]
    fn forgets_the_oldest() {
        let mut memory = CommandMemory::open(None).unwrap();
        for number in 0..=MAX_ENTRIES {
            memory.begin(&number.to_string()).unwrap();
        }
        assert_eq!(memory.recall("0"), Recall::New);
        assert_eq!(memory.recall("1"), Recall::Interrupted);
    }

    /// Without it a damaged file would silently let commands run a second time.
    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("commands.json"), "{").unwrap();
        let error = CommandMemory::open(Some(directory.path())).unwrap_err();
        assert!(error.to_string().contains("commands.json"), "{error}");
    }

    /// Without it a text could be cut inside a character and no longer be sent.
    #[test]
    fn texts_are_cut_between_characters() {
        let text = truncate(format!("x{}", "ä".repeat(MAX_TEXT)));
        assert_eq!(text.len(), MAX_TEXT - 1);
    }
}
