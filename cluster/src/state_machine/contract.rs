use std::io;

use bytes::Bytes;

/// The state that a group agrees on, as opaque bytes in and out. Every replica applies the same payloads in
/// the same order, so apply must read nothing else: no clock, no randomness, no file.
///
/// Calls come one at a time, never two at once.
pub trait StateMachine: Send + 'static {
    /// Applies the payload of the entry at `index` and answers its proposer. Indexes rise but need not be
    /// consecutive: entries of Raft's own are not shown. A refusal is an answer; an error is fatal to this
    /// replica.
    fn apply(&mut self, index: u64, payload: &[u8]) -> Result<Bytes, ApplyFault>;

    /// Everything up to `last_index` is applied: time to publish a view. Called once after each batch, for
    /// entries of Raft's own also, and after an install.
    fn batch_applied(&mut self, last_index: u64);

    /// The state as it is now, in constant time; it is serialised on another thread while this one goes on.
    fn image(&self) -> Box<dyn Image>;

    /// Replaces the whole state by the one that an [`Image`] wrote; nothing of the old one may survive, and
    /// after an error the old state must stand. `last_index` is the last log index that the new one covers.
    fn install(&mut self, last_index: u64, reader: &mut dyn io::Read) -> Result<(), InstallError>;

    /// The highest feature level whose proposals this program understands; a snapshot above it is refused.
    fn supported_feature_level(&self) -> u32 {
        u32::MAX
    }
}

/// The state at one moment, independent of what is applied later.
pub trait Image: Send {
    /// Writes what [`StateMachine::install`] reads.
    fn write_to(&self, writer: &mut dyn io::Write) -> io::Result<()>;

    /// The replicated feature level whose proposals this state may hold; a reader below it refuses.
    fn feature_level(&self) -> u32 {
        0
    }
}

/// This replica cannot apply an entry that the group has agreed on. It must stop: to go on without the entry
/// would make it differ from the others.
#[derive(Debug, thiserror::Error)]
#[error("cannot apply an agreed entry: {message}")]
pub struct ApplyFault {
    /// What is wrong and what to do.
    pub message: String,
}

impl ApplyFault {
    /// A fault described by `message`: what is wrong, and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// The bytes of a snapshot do not make a state.
#[derive(Debug, thiserror::Error)]
#[error("cannot install a snapshot's state: {message}")]
pub struct InstallError {
    /// What is wrong and what to do.
    pub message: String,
}

impl InstallError {
    /// An error described by `message`: what is wrong, and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
