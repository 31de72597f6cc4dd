use std::fmt::Display;

use navarch_proto::api::{FieldChange, FleetEvent};

use crate::{limits::MAX_REASON_BYTES, text::cut, time::LogTime};

/// What a fleet event tells of; its text is the `kind` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A leader opened its session.
    SessionOpened,
    /// The fleet's configuration was replaced.
    FleetSpecApplied,
    /// The health policy's text changed.
    PolicyChanged,
    /// A provider came into the configuration.
    ProviderAdded,
    /// A provider's configuration changed.
    ProviderChanged,
    /// A provider is in no file any more and stays until its machines are gone.
    ProviderRetiring,
    /// A provider left the configuration.
    ProviderRemoved,
    /// A pool came into the configuration.
    PoolCreated,
    /// A pool's configuration changed.
    PoolChanged,
    /// A pool is in no file any more; its machines are drained and given back.
    PoolRetiring,
    /// A pool left the configuration.
    PoolRemoved,
    /// An operator set a pool's target.
    PoolScaled,
    /// The autoscaler decided on a pool, be it to leave it as it is.
    PoolDecided,
    /// Nothing is bought for a pool, and why.
    PoolHeld,
    /// The hold on a pool was lifted.
    PoolReleased,
    /// An operator froze a pool.
    PoolPaused,
    /// An operator let a pool go on.
    PoolResumed,
    /// Machines of a pool that should be replaced are not, and why.
    ReplacementHeld,
    /// Machines of a pool are replaced again.
    ReplacementReleased,
    /// A node registered, for the first time or again.
    NodeRegistered,
    /// A node was found to run on an instance.
    NodeJoined,
    /// A node turned out not to run on the instance it was joined to.
    NodeUnjoined,
    /// A node's health changed.
    NodeHealthChanged,
    /// A node takes no new work.
    NodeCordoned,
    /// A node takes work again.
    NodeUncordoned,
    /// A node gives its work away.
    NodeDraining,
    /// The workload system took notice of a drain.
    NodeDrainAccepted,
    /// The workload system refused a drain.
    NodeDrainRefused,
    /// A node's drain ended.
    NodeDrained,
    /// A node is silent for longer than its time-out.
    NodeLost,
    /// A lost node beats again.
    NodeFound,
    /// A node's machine is gone.
    NodeTerminated,
    /// A node's record was removed.
    NodeForgotten,
    /// A command waits for a node.
    CommandQueued,
    /// Commands were handed to a node's agent.
    CommandDelivered,
    /// A command ended.
    CommandFinished,
    /// A command's deadline passed.
    CommandExpired,
    /// An order was decided on.
    InstanceRequested,
    /// A provider sold a machine.
    InstanceBought,
    /// An instance's node registered.
    InstanceRunning,
    /// An order or a machine failed.
    InstanceFailed,
    /// A machine is to be given back.
    InstanceTerminating,
    /// A provider confirmed that a machine is gone.
    InstanceTerminated,
    /// A machine that was to be replaced is kept, or its replacement came to nothing.
    ReplacementCancelled,
    /// A provider has a machine of ours that no record explains.
    OrphanFound,
    /// An instance was asked for a step that its state does not allow.
    InstanceTransitionRefused,
    /// An instance's record was dropped after its retention.
    InstanceDropped,
    /// Nothing is asked of a provider, region and type for a while.
    CapacityBackoff,
    /// An operator let a GPU back that was given up on.
    GpuForgiven,
    /// The fleet was restored from a snapshot and stands still.
    AdoptionBegun,
    /// An operator released a restored fleet.
    AdoptionEnded,
    /// A machine that bears our label became a record.
    InstanceAdopted,
}

impl EventKind {
    /// The `kind` on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionOpened => "session-opened",
            Self::FleetSpecApplied => "fleet-spec-applied",
            Self::PolicyChanged => "policy-changed",
            Self::ProviderAdded => "provider-added",
            Self::ProviderChanged => "provider-changed",
            Self::ProviderRetiring => "provider-retiring",
            Self::ProviderRemoved => "provider-removed",
            Self::PoolCreated => "pool-created",
            Self::PoolChanged => "pool-changed",
            Self::PoolRetiring => "pool-retiring",
            Self::PoolRemoved => "pool-removed",
            Self::PoolScaled => "pool-scaled",
            Self::PoolDecided => "pool-decided",
            Self::PoolHeld => "pool-held",
            Self::PoolReleased => "pool-released",
            Self::PoolPaused => "pool-paused",
            Self::PoolResumed => "pool-resumed",
            Self::ReplacementHeld => "replacement-held",
            Self::ReplacementReleased => "replacement-released",
            Self::NodeRegistered => "node-registered",
            Self::NodeJoined => "node-joined",
            Self::NodeUnjoined => "node-unjoined",
            Self::NodeHealthChanged => "node-health-changed",
            Self::NodeCordoned => "node-cordoned",
            Self::NodeUncordoned => "node-uncordoned",
            Self::NodeDraining => "node-draining",
            Self::NodeDrainAccepted => "node-drain-accepted",
            Self::NodeDrainRefused => "node-drain-refused",
            Self::NodeDrained => "node-drained",
            Self::NodeLost => "node-lost",
            Self::NodeFound => "node-found",
            Self::NodeTerminated => "node-terminated",
            Self::NodeForgotten => "node-forgotten",
            Self::CommandQueued => "command-queued",
            Self::CommandDelivered => "command-delivered",
            Self::CommandFinished => "command-finished",
            Self::CommandExpired => "command-expired",
            Self::InstanceRequested => "instance-requested",
            Self::InstanceBought => "instance-bought",
            Self::InstanceRunning => "instance-running",
            Self::InstanceFailed => "instance-failed",
            Self::InstanceTerminating => "instance-terminating",
            Self::InstanceTerminated => "instance-terminated",
            Self::ReplacementCancelled => "replacement-cancelled",
            Self::OrphanFound => "orphan-found",
            Self::InstanceTransitionRefused => "instance-transition-refused",
            Self::InstanceDropped => "instance-dropped",
            Self::CapacityBackoff => "capacity-backoff",
            Self::GpuForgiven => "gpu-forgiven",
            Self::AdoptionBegun => "adoption-begun",
            Self::AdoptionEnded => "adoption-ended",
            Self::InstanceAdopted => "instance-adopted",
        }
    }
}

/// What a fleet event happened to; its text is the `subject` on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Fleet,
    Node(&'a str),
    Instance(&'a str),
    Pool(&'a str),
    Provider(&'a str),
    Gpu(&'a str),
}

impl Subject<'_> {
    fn text(self) -> String {
        let (kind, id) = match self {
            Self::Fleet => return "fleet".to_owned(),
            Self::Node(id) => ("node/", id),
            Self::Instance(id) => ("instance/", id),
            Self::Pool(id) => ("pool/", id),
            Self::Provider(id) => ("provider/", id),
            Self::Gpu(id) => ("gpu/", id),
        };
        [kind, id].concat()
    }
}

/// A fleet event in the making: what happened. Who, when and where in the journal is added by [`Context`].
#[derive(Debug)]
pub(crate) struct Event(FleetEvent);

impl Event {
    pub(crate) fn new(kind: EventKind, subject: Subject<'_>) -> Self {
        Self(FleetEvent {
            kind: kind.as_str().to_owned(),
            subject: subject.text(),
            ..FleetEvent::default()
        })
    }

    /// Why it happened.
    pub(crate) fn reason(mut self, reason: &str) -> Self {
        cut(reason, MAX_REASON_BYTES).clone_into(&mut self.0.reason);
        self
    }

    /// A field before and after; left out if it did not change.
    pub(crate) fn change(mut self, field: &str, before: impl Display, after: impl Display) -> Self {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            self.0.changes.push(FieldChange { field: field.to_owned(), before, after });
        }
        self
    }

    /// Whether it says what `last` said.
    pub(crate) fn repeats(&self, last: &FleetEvent) -> bool {
        self.0.kind == last.kind && self.0.subject == last.subject && self.0.reason == last.reason
    }

    /// Whether any field changed.
    pub(crate) fn has_changes(&self) -> bool {
        !self.0.changes.is_empty()
    }
}

/// What apply knows about the entry in hand, and where it leaves its fleet events.
pub(crate) struct Context<'a> {
    /// The entry's log index.
    pub(crate) index: u64,
    /// The state's time as of this entry.
    pub(crate) now: LogTime,
    /// Who asks.
    pub(crate) actor: &'a str,
    /// Under which id; empty: none.
    pub(crate) request_id: &'a str,
    events: Vec<FleetEvent>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(index: u64, now: LogTime, actor: &'a str, request_id: &'a str) -> Self {
        Self { index, now, actor, request_id, events: Vec::new() }
    }

    /// Tells of a change.
    pub(crate) fn emit(&mut self, event: Event) {
        let mut event = event.0;
        event.time = Some(self.now.to_timestamp());
        self.actor.clone_into(&mut event.actor);
        self.request_id.clone_into(&mut event.request_id);
        event.log_index = self.index;
        self.events.push(event);
    }

    /// Whether anything was told.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// All that was told, in order.
    pub(crate) fn take_events(&mut self) -> Vec<FleetEvent> {
        std::mem::take(&mut self.events)
    }
}
