use crate::time::LogTime;

/// A fleet that was restored from a snapshot under a new group. Until an operator has looked, nothing is
/// bought, given back, declared lost, replaced or scaled: the snapshot may be old, and machines of the time
/// since are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The last log index that the snapshot holds.
    pub snapshot_index: u64,
    /// When the snapshot was taken.
    pub snapshot_at: LogTime,
    /// The restorer's wall clock, in milliseconds since the Unix epoch.
    pub restored_ms: u64,
    /// Machines that became records since.
    pub adopted: u32,
}
