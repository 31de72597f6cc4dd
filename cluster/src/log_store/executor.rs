use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use navarch_host::planted::{self, Bug};
use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::{
    host::StoreHost,
    shared::Shared,
    sled_engine::panic_text,
    storage::{LogStorage, next_index},
};
use crate::{
    error::StoreError,
    types::{Entry, LogId, TypeConfig, Vote},
};

/// One change of the log.
pub(super) enum Command {
    Append { entries: Vec<Entry>, done: IOFlushed<TypeConfig> },
    Vote { vote: Vote, done: oneshot::Sender<Result<(), StoreError>> },
    Truncate { after: Option<LogId> },
    Purge { upto: LogId },
    Close { done: Closing },
}

/// Whoever waits until the engine is closed.
pub(super) type Closing = oneshot::Sender<Result<(), StoreError>>;

/// Carries out commands on a storage: a batch of them, one sync, then their answers. After the first fault it
/// answers nothing but errors.
pub(super) struct Executor {
    storage: Box<dyn LogStorage>,
    shared: Arc<Shared>,
    host: StoreHost,
    failed: bool,
}

impl Executor {
    pub(super) fn new(storage: Box<dyn LogStorage>, shared: Arc<Shared>, host: StoreHost) -> Self {
        Self { storage, shared, host, failed: false }
    }

    /// Carries out `commands` in their order, answers them and empties the list; [`Command::Close`] is left to
    /// the caller, who owns the engine.
    pub(super) fn run(&mut self, commands: &mut Vec<Command>) -> Option<Closing> {
        let succeeded = self.guarded(|executor| {
            if planted::is(Bug::SkipSync) {
                executor.storage.sync()?;
            }
            for command in commands.iter() {
                executor.write(command)?;
            }
            executor.note_committed(commands);
            let begun = executor.host.clock.now();
            if !planted::is(Bug::SkipSync) {
                executor.storage.sync()?;
            }
            executor.host.syncs.record(executor.host.clock.now().since(begun));
            Ok(())
        });
        if succeeded {
            self.publish(commands);
        }
        let mut closing = None;
        for command in commands.drain(..) {
            closing = closing.or(answer(command, succeeded));
        }
        closing
    }

    /// Does one step of work that was put off; true if more is left.
    pub(super) fn tidy(&mut self, keys_max: usize) -> bool {
        let mut more = false;
        self.guarded(|executor| {
            more = executor.storage.tidy(keys_max)?;
            Ok(())
        }) && more
    }

    /// Nothing more will come: closes the engine and lets go of it. False if something has failed, now or
    /// before.
    pub(super) fn close(mut self) -> bool {
        self.shared.close();
        self.guarded(|executor| executor.storage.close())
    }

    /// Runs `body` unless something has failed before; a failure is reported once, and is the last.
    fn guarded(&mut self, body: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> bool {
        if self.failed {
            return false;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| body(self))).unwrap_or_else(|panic| {
            let what = format!("a write gave up: {}", panic_text(panic.as_ref()));
            Err(StoreError::damaged("the log", what))
        });
        if let Err(fault) = outcome {
            self.failed = true;
            self.host.fatal.report(&fault);
        }
        !self.failed
    }

    fn write(&mut self, command: &Command) -> Result<(), StoreError> {
        match command {
            Command::Append { entries, .. } => self.storage.append(entries),
            Command::Vote { vote, .. } => self.storage.save_vote(*vote),
            Command::Truncate { after } => self.storage.truncate_after(*after),
            Command::Purge { upto } => self.storage.purge(*upto),
            Command::Close { .. } => Ok(()),
        }
    }

    /// Tells the storage how far entries are committed; not while the log is to be cut by a command that comes after
    /// `commands`: what is committed may be entries that follow the cut, and are not there yet.
    fn note_committed(&mut self, commands: &[Command]) {
        let view = self.shared.view();
        if view.pending_truncations == truncations(commands) {
            let committed = view.state.committed;
            drop(view);
            self.storage.note_committed(committed);
        }
    }

    /// Shows readers what is durable now.
    fn publish(&self, commands: &[Command]) {
        let truncations = truncations(commands);
        let durable = self.storage.state();
        let mut view = self.shared.view();
        view.state.vote = durable.vote;
        view.pending_truncations -= truncations;
        if view.pending_truncations == 0 {
            view.cache.evict(next_index(durable.last));
        }
    }
}

/// How often `commands` cut the log.
fn truncations(commands: &[Command]) -> u64 {
    commands.iter().filter(|command| matches!(command, Command::Truncate { .. })).count() as u64
}

/// Answers a command; hands back whoever waits for the end.
fn answer(command: Command, succeeded: bool) -> Option<Closing> {
    let outcome = if succeeded { Ok(()) } else { Err(StoreError::Closed) };
    match command {
        Command::Append { done, .. } => done.io_completed(outcome.map_err(StoreError::into_io)),
        // A caller that has gone away meanwhile is no failure.
        Command::Vote { done, .. } => drop(done.send(outcome)),
        Command::Close { done } => return Some(done),
        Command::Truncate { .. } | Command::Purge { .. } => {}
    }
    None
}
