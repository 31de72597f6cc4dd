//! Agreement among replicas: openraft on sled, bytes in and bytes out, without domain knowledge.
//!
//! | module | for |
//! |---|---|
//! | `replica`, `start`, `raft_start` | the handle that everything else is behind, and how a replica comes up |
//! | `config`, `replica_error`, `replica_id` | what a replica must know, and why something is refused |
//! | `formation` | how replicas without a group come to belong to one |
//! | `membership`, `removal` | adding, promoting and removing replicas; noticing that one was removed |
//! | `leadership` | who leads, and handing it over |
//! | `proposer`, `read_index`, `relay` | writes, reads, and calls that only the leader can answer |
//! | `status`, `wall_clock` | the group as a replica sees it; the group's wall clock |
//! | `transport`, `tls` | the peer port, and certificates for it |
//! | `context` | what all parts of one replica share |
//! | `state_machine` | the door to the state that is agreed on |
//! | `export`, `saved_snapshot`, `restore`, `presence` | snapshots for people: from a group to a file, and from a file to a new group |
//! | `storage`, `log_store`, `snapshot_store`, `directory` | the log, snapshots, and the data directory |
//! | `types`, `group`, `codec` | openraft's types, its handle, and the same as messages |
//! | `error`, `fatal` | why a store fails, and what happens then |

mod codec;
mod config;
mod context;
mod directory;
mod error;
mod export;
mod fatal;
mod formation;
mod group;
mod leadership;
mod log_store;
mod membership;
mod presence;
mod proposer;
mod raft_start;
mod read_index;
mod relay;
mod removal;
mod replica;
mod replica_error;
mod replica_id;
mod restore;
mod saved_snapshot;
mod snapshot_store;
mod start;
mod state_machine;
mod status;
mod storage;
mod tls;
mod transport;
mod types;
mod wall_clock;

pub use config::{
    InitialReplica, Limits, MAX_INITIAL_REPLICAS, ReplicaConfig, StorageKind, Timings, TlsFiles,
};
pub use context::StopReason;
pub use error::StoreError;
pub use fatal::FatalHook;
pub use leadership::Leadership;
pub use log_store::{LogSyncs, MemoryDisk};
pub use presence::{Answering, Presence, who_answers};
pub use proposer::Applied;
pub use relay::RelayHandler;
pub use replica::{Replica, ReplicaParts};
pub use replica_error::{
    ExportError, MembershipError, ProposeError, ReadError, RelayError, StartError,
};
pub use replica_id::ReplicaId;
pub use restore::{RestoreError, restore};
pub use saved_snapshot::{SavedSnapshot, SavedSnapshotError, SnapshotInfo, SnapshotReplica};
pub use state_machine::{ApplyFault, Image, InstallError, StateMachine};
pub use status::{GroupStatus, ReplicaStatus, Role};
pub use tls::{TlsError, TlsInitError, TlsInitReport, init_tls};
