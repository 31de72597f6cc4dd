use std::{collections::BTreeSet, sync::Arc};

use navarch_host::{Spawner, TaskHandle};
use openraft::{Config, SnapshotPolicy};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    config::{MAX_INITIAL_REPLICAS, ReplicaConfig, StorageKind, host_of, is_loopback},
    context::{Context, ContextParts, GroupIdentity, Running, StopReason},
    directory::Expected,
    fatal::FatalHook,
    formation::{self, Outcome, Plan, PlanFile},
    leadership::watch_leadership,
    log_store::{ENTRIES_KEPT_BEHIND_SNAPSHOT, ENTRY_BYTES_MAX, SledOptions},
    membership::Membership,
    proposer::Proposer,
    read_index::ReadIndexer,
    relay::RelayClient,
    removal::watch_removal,
    replica::ReplicaParts,
    replica_error::StartError,
    state_machine::{Applier, StateMachine},
    storage::{LogEngine, Storage},
    tls::PeerTls,
    transport::{Channels, Inbox, JoinDecision, NetworkFactory, PeerPort, PeerPortService},
    types::Group,
};

/// Invitations that wait to be answered; there is one leader to send them.
const INVITATIONS: usize = 4;
"""
