use std::fmt::Display;

use navarch_proto::api::{FieldChange, FleetEvent};

use crate::{limits::MAX_REASON_BYTES, text::cut, time::LogTime};

macro_rules! event_kinds {
    ($($(#[$told:meta])+ $name:ident = $text:literal;)+) => {
        /// What a fleet event tells of; its text is the `kind` on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $($(#[$told])+ $name,)+
        }

        impl EventKind {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The `kind` on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

// What it tells of, and its text on the wire.
event_kinds! {
    /// A leader opened its session.
    SessionOpened = "session-opened";
    /// The fleet's configuration was replaced.
    FleetSpecApplied = "fleet-spec-applied";
    /// The health policy's text changed.
    PolicyChanged = "policy-changed";
    /// A provider came into the configuration.
    ProviderAdded = "provider-added";
    /// A provider's configuration changed.
    ProviderChanged = "provider-changed";
    /// A provider is in no file any more and stays until its machines are gone.
    ProviderRetiring = "provider-retiring";
    /// A provider left the configuration.
    ProviderRemoved = "provider-removed";
    /// A pool came into the configuration.
    PoolCreated = "pool-created";
    /// A pool's configuration changed.
    PoolChanged = "pool-changed";
    /// A pool is in no file any more; its machines are drained and given back.
    PoolRetiring = "pool-retiring";
    /// A pool left the configuration.
    PoolRemoved = "pool-removed";
    /// An operator set a pool's target.
    PoolScaled = "pool-scaled";
    /// The autoscaler decided on a pool, be it to leave it as it is.
    PoolDecided = "pool-decided";
    /// Nothing is bought for a pool, and why.
    PoolHeld = "pool-held";
    /// The hold on a pool was lifted.
    PoolReleased = "pool-released";
    /// An operator froze a pool.
    PoolPaused = "pool-paused";
    /// An operator let a pool go on.
    PoolResumed = "pool-resumed";
    /// Machines of a pool that should be replaced are not, and why.
    ReplacementHeld = "replacement-held";
    /// Machines of a pool are replaced again.
    ReplacementReleased = "replacement-released";
    /// A node registered, for the first time or again.
    NodeRegistered = "node-registered";
    /// A node was found to run on an instance.
    NodeJoined = "node-joined";
    /// A node turned out not to run on the instance it was joined to.
    NodeUnjoined = "node-unjoined";
    /// A node's health changed.
    NodeHealthChanged = "node-health-changed";
    /// A node takes no new work.
    NodeCordoned = "node-cordoned";
    /// A node takes work again.
    NodeUncordoned = "node-uncordoned";
    /// A node gives its work away.
    NodeDraining = "node-draining";
    /// The workload system took notice of a drain.
    NodeDrainAccepted = "node-drain-accepted";
    /// The workload system refused a drain.
    NodeDrainRefused = "node-drain-refused";
    /// A node's drain ended.
    NodeDrained = "node-drained";
    /// A node is silent for longer than its time-out.
    NodeLost = "node-lost";
    /// A lost node beats again.
    NodeFound = "node-found";
    /// A node's machine is gone.
    NodeTerminated = "node-terminated";
    /// A node's record was removed.
    NodeForgotten = "node-forgotten";
    /// A command waits for a node.
    CommandQueued = "command-queued";
    /// Commands were handed to a node's agent.
    CommandDelivered = "command-delivered";
    /// A command ended.
    CommandFinished = "command-finished";
    /// A command's deadline passed.
    CommandExpired = "command-expired";
    /// An order was decided on.
    InstanceRequested = "instance-requested";
    /// A provider sold a machine.
    InstanceBought = "instance-bought";
    /// An instance's node registered.
    InstanceRunning = "instance-running";
    /// An order or a machine failed.
    InstanceFailed = "instance-failed";
    /// A machine is to be given back.
    InstanceTerminating = "instance-terminating";
    /// A provider confirmed that a machine is gone.
    InstanceTerminated = "instance-terminated";
    /// A machine that was to be replaced is kept, or its replacement came to nothing.
    ReplacementCancelled = "replacement-cancelled";
    /// A provider has a machine of ours that no record explains.
    OrphanFound = "orphan-found";
    /// An instance was asked for a step that its state does not allow.
    InstanceTransitionRefused = "instance-transition-refused";
    /// An instance's record was dropped after its retention.
    InstanceDropped = "instance-dropped";
    /// Nothing is asked of a provider, region and type for a while.
    CapacityBackoff = "capacity-backoff";
    /// An operator let a GPU back that was given up on.
    GpuForgiven = "gpu-forgiven";
    /// The fleet was restored from a snapshot and stands still.
    AdoptionBegun = "adoption-begun";
    /// An operator released a restored fleet.
    AdoptionEnded = "adoption-ended";
    /// A machine that bears our label became a record.
    InstanceAdopted = "instance-adopted";
    /// A health rule on trial would have decided on a node.
    HealthRuleShadowed = "health-rule-shadowed";
    /// A health rule could not be evaluated.
    HealthRuleFailed = "health-rule-failed";
    /// So many nodes are in trouble that losses and replacements there are stopped.
    BreakerOpened = "breaker-opened";
    /// Losses and replacements go on.
    BreakerClosed = "breaker-closed";
    /// An operator decides in a breaker's place.
    BreakerOverridden = "breaker-overridden";
    /// A breaker is automatic again.
    BreakerReset = "breaker-reset";
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
    Rule(&'a str),
    Zone(&'a str),
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
            Self::Rule(id) => ("rule/", id),
            Self::Zone(id) => ("zone/", id),
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
