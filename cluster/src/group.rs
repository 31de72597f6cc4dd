use openraft::alias::SnapshotOf;

use crate::{snapshot_store::SnapshotFile, state_machine::Applier, types::TypeConfig};

/// openraft's handle of this replica's part in its group.
pub(crate) type Group = openraft::Raft<TypeConfig, Applier>;
/// A snapshot as openraft passes it around.
pub(crate) type Snapshot = SnapshotOf<TypeConfig, SnapshotFile>;
