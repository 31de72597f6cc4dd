use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::NotifyError;

/// A node whose health has become another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthTransition {
    /// The fleet event that tells of it: one that comes twice has the same index.
    pub event_index: u64,
    /// Which node.
    pub node_id: String,
    /// What it was: `unknown`, `healthy`, `degraded` or `unhealthy`.
    pub from: String,
    /// What it is.
    pub to: String,
    /// The rule or the check that decided; may be empty.
    pub rule: String,
    /// What that rule said, or why an operator cleared its verdict.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// An instance that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceFailure {
    /// The fleet event that tells of it: one that comes twice has the same index.
    pub event_index: u64,
    /// Which instance.
    pub instance_id: String,
    /// The pool that it was rented for; empty if its record is gone already.
    pub pool: String,
    /// The provider's id of its machine; empty: it has none, or its record is gone already.
    pub provider_ref: String,
    /// `stale`, `capacity`, `node-lost` and so on.
    pub failure: String,
    /// In words.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Told by the acting leader of every change of a node's health, in the journal's order and one at a time.
///
/// Each is told at least once, also across changes of leader; after one, the last few may come again, with
/// the same `event_index`. A fleet that was restored from a snapshot goes on from the index it had then. [`NotifyError::Failed`] has the transition told again later, with growing pauses,
/// and holds up those after it; [`NotifyError::Refused`] passes it over. A call may take 30 seconds.
#[async_trait]
pub trait NodeHealthObserver: Send + Sync {
    /// A node's health has become another.
    ///
    /// # Errors
    ///
    /// If the observer did not take it in.
    async fn on_health_transition(&self, transition: &HealthTransition) -> Result<(), NotifyError>;
}

/// Told by the acting leader of instances that failed, under the same rules as a [`NodeHealthObserver`].
#[async_trait]
pub trait InstanceObserver: Send + Sync {
    /// A machine was bought and never registered.
    ///
    /// # Errors
    ///
    /// If the observer did not take it in.
    async fn on_stale_instance(&self, failure: &InstanceFailure) -> Result<(), NotifyError>;

    /// An order or a machine failed in any other way.
    ///
    /// # Errors
    ///
    /// If the observer did not take it in.
    async fn on_failed_instance(&self, failure: &InstanceFailure) -> Result<(), NotifyError>;
}

/// The observers that a program which embeds the control plane brings along. All replicas of a group should
/// bring the same ones, since any may lead. Register the first one once all replicas run a build that knows
/// observers: an older one stops at the entry that records how far they were told.
#[derive(Clone, Default)]
pub struct Observers {
    /// Told of changes of nodes' health.
    pub health: Vec<Arc<dyn NodeHealthObserver>>,
    /// Told of failed instances.
    pub instances: Vec<Arc<dyn InstanceObserver>>,
}

impl fmt::Debug for Observers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Observers")
            .field("health", &self.health.len())
            .field("instances", &self.instances.len())
            .finish()
    }
}
