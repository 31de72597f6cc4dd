use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use navarch_host::Spawner;
use openraft::{
    OptionalSend,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot},
};

use super::{
    contract::{ApplyFault, InstallError, StateMachine},
    exclusive::Exclusive,
    snapshot_job::SnapshotJob,
};
use crate::{
    error::StoreError,
    fatal::FatalHook,
    snapshot_store::{SnapshotFile, SnapshotStore},
    types::{
        Answer, Carried, Entry, LeaderId, LogId, ReplicaInfo, SnapshotMeta, StoredMembership,
        TypeConfig,
    },
};

/// Entries applied before the view is published and their proposers are answered.
const BATCH_ENTRIES_MAX: usize = 1_024;

/// Drives a [`StateMachine`] as openraft demands. What was applied, the membership and the state always belong
/// together: all three change in one call, and a snapshot takes all three at once.
pub(crate) struct Applier {
    /// Away while a thread installs a snapshot into it.
    machine: Exclusive<Option<Box<dyn StateMachine>>>,
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshots: Arc<SnapshotStore>,
    spawner: Arc<dyn Spawner>,
    fatal: FatalHook,
}

impl Applier {
    /// The state in `machine` is empty: the newest snapshot and the log after it are applied by openraft.
    pub(crate) fn new(
        machine: Box<dyn StateMachine>,
        snapshots: Arc<SnapshotStore>,
        spawner: Arc<dyn Spawner>,
        fatal: FatalHook,
    ) -> Self {
        Self {
            machine: Exclusive::new(Some(machine)),
            applied: None,
            membership: StoredMembership::default(),
            snapshots,
            spawner,
            fatal,
        }
    }

    fn machine(&mut self) -> Result<&mut Box<dyn StateMachine>, StoreError> {
        self.machine.get().as_mut().ok_or(StoreError::Closed)
    }

    /// The state, what was applied and the membership as they are now, to be written elsewhere.
    pub(crate) fn snapshot_job(&mut self) -> SnapshotJob {
        let image = self.machine().ok().map(|machine| machine.image());
        SnapshotJob {
            image: Exclusive::new(image),
            meta: SnapshotMeta {
                last_log_id: self.applied,
                last_membership: self.membership.clone(),
            },
            snapshots: Arc::clone(&self.snapshots),
            spawner: Arc::clone(&self.spawner),
            fatal: self.fatal.clone(),
        }
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<Answer, io::Error> {
        let log_id = entry.log_id;
        let answer = match entry.payload {
            Carried::Blank => Bytes::new(),
            Carried::Normal(payload) => self.apply_payload(log_id.index, &payload.0)?,
            Carried::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                Bytes::new()
            }
        };
        self.applied = Some(log_id);
        Ok(Answer(answer))
    }

    fn apply_payload(&mut self, index: u64, payload: &[u8]) -> Result<Bytes, io::Error> {
        let machine = self.machine().map_err(StoreError::into_io)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| machine.apply(index, payload)));
        let outcome = outcome.unwrap_or_else(|_| Err(ApplyFault::new("apply panicked")));
        outcome.map_err(|fault| {
            let fault = ApplyFault::new(format!("entry {index}: {}", fault.message));
            self.fatal.report(&fault);
            io::Error::other(fault)
        })
    }

    /// Publishes what was applied, and then answers: who is answered can read what it wrote.
    fn publish(&mut self, answers: &mut Vec<(ApplyResponder<TypeConfig>, Answer)>) {
        if let (Some(applied), Ok(machine)) = (self.applied, self.machine()) {
            machine.batch_applied(applied.index);
        }
        for (responder, answer) in answers.drain(..) {
            responder.send(answer);
        }
    }

    /// Replaces the state on a thread: reading a large one takes long, and so does dropping the old one.
    async fn install(&mut self, snapshot: SnapshotFile) -> Result<(), StoreError> {
        let machine = self.machine.get().take().ok_or(StoreError::Closed)?;
        let snapshots = Arc::clone(&self.snapshots);
        let meta = snapshot.meta().clone();
        let body = move || {
            let mut machine = machine;
            let outcome = replace_state(machine.as_mut(), &snapshot)
                .and_then(|()| snapshots.adopt(&snapshot));
            (machine, outcome)
        };
        let installed = self
            .spawner
            .on_thread("install", body)
            .map_err(StoreError::io("start a thread to install", "a snapshot"))?;
        let (machine, outcome) = installed.await.map_err(|_| StoreError::Closed)?;
        *self.machine.get() = Some(machine);
        outcome?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership;
        self.publish(&mut Vec::new());
        Ok(())
    }
}

fn replace_state(
    machine: &mut dyn StateMachine,
    snapshot: &SnapshotFile,
) -> Result<(), StoreError> {
    let supported = machine.supported_feature_level();
    if snapshot.feature_level() > supported {
        return Err(StoreError::NewerSnapshot {
            path: snapshot.path(),
            needed: format!("feature level {}", snapshot.feature_level()),
            supported,
        });
    }
    let last_index = snapshot.meta().last_log_id.map_or(0, |last| last.index);
    let mut image = snapshot.read_image().map_err(StoreError::io("read", snapshot.path()))?;
    let outcome = catch_unwind(AssertUnwindSafe(|| machine.install(last_index, &mut image)));
    outcome
        .unwrap_or_else(|_| Err(InstallError::new("install panicked")))
        .map_err(|error| StoreError::damaged(snapshot.path(), error.message))
}

impl RaftStateMachine<TypeConfig> for Applier {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotJob;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut unpublished = 0;
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let answer = self.apply_entry(entry)?;
            if let Some(responder) = responder {
                answers.push((responder, answer));
            }
            unpublished += 1;
            if unpublished == BATCH_ENTRIES_MAX {
                self.publish(&mut answers);
                unpublished = 0;
            }
        }
        if unpublished > 0 {
            self.publish(&mut answers);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.snapshot_job()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        if snapshot.meta() != meta {
            let what = format!("it covers {}, not {meta}", snapshot.meta());
            return Err(StoreError::SnapshotRefused { what }.into_io());
        }
        // A replica that is only starting says by itself why it does not.
        let running = snapshot.is_temporary();
        self.install(snapshot).await.map_err(|fault| {
            if running {
                self.fatal.report(&fault);
            }
            fault.into_io()
        })
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<LeaderId, u64, ReplicaInfo, SnapshotFile>>, io::Error> {
        Ok(self
            .snapshots
            .newest()
            .map(|file| Snapshot { meta: file.meta().clone(), snapshot: file }))
    }
}
