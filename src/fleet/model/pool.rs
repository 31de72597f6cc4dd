use std::sync::Arc;

use navarch_proto::fleet::LastDecision;

use super::{Cooldown, Instance, InstanceState};
use crate::{
    ids::{PoolName, Revision},
    time::LogTime,
};

/// Desired capacity, as far as it is not configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Its name in the configuration.
    pub name: PoolName,
    /// How many instances it should have.
    pub target: u32,
    /// Raised when its configuration, target or hold changes.
    pub revision: Revision,
    /// Why it has that target: the last decision.
    pub reason: Arc<str>,
    /// Why nothing is bought for it; empty: it is not held.
    pub held_reason: Arc<str>,
    /// Why machines that should be replaced are not; empty: nothing holds it.
    pub replacement_held: Arc<str>,
    /// Frozen by an operator: nothing is bought, given back, replaced or scaled.
    pub paused: bool,
    /// The last decision of its strategy, and what it was made from.
    pub decision: Option<Arc<LastDecision>>,
    /// No scaling by load before it.
    pub cooldown: Cooldown,
    /// The autoscaler keeps off until then.
    pub hold_until: Option<LogTime>,
    /// Orders decided on, ever: the counter of the round-robin.
    pub choices: u64,
    /// When machines were given up on to be replaced, within the last hour, the earliest first.
    pub replaced_at: Vec<LogTime>,
}

/// What a pool has, counted from its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Orders without an answer.
    pub provisioning: u32,
    /// Bought, not registered.
    pub pending_registration: u32,
    /// Registered.
    pub running: u32,
    /// Being given back.
    pub terminating: u32,
    /// Gone, kept for the record.
    pub terminated: u32,
    /// Failed, with and without a machine.
    pub failed: u32,
    /// Failed ones whose machine may still be there.
    pub failed_with_machine: u32,
    /// Running ones whose replacement is ordered: with it they count one towards the size.
    pub being_replaced: u32,
}

impl PoolCounts {
    /// Running, pending registration and provisioning, a machine and its replacement counted once: compared with
    /// the target.
    pub fn size(&self) -> u32 {
        self.live().saturating_sub(self.being_replaced)
    }

    fn live(&self) -> u32 {
        self.provisioning.saturating_add(self.pending_registration).saturating_add(self.running)
    }

    /// Every record whose absence the provider has not confirmed: bounded by the maximum.
    pub fn occupancy(&self) -> u32 {
        self.live().saturating_add(self.terminating).saturating_add(self.failed_with_machine)
    }

    /// All records.
    pub fn records(&self) -> u32 {
        self.live()
            .saturating_add(self.terminating)
            .saturating_add(self.terminated)
            .saturating_add(self.failed)
    }

    pub(crate) fn add(&mut self, instance: &Instance) {
        let count = self.of(instance.state);
        *count = count.saturating_add(1);
        if instance.state == InstanceState::Failed && instance.may_have_machine() {
            self.failed_with_machine = self.failed_with_machine.saturating_add(1);
        }
        if instance.is_being_replaced() {
            self.being_replaced = self.being_replaced.saturating_add(1);
        }
    }

    pub(crate) fn subtract(&mut self, instance: &Instance) {
        let count = self.of(instance.state);
        *count = count.saturating_sub(1);
        if instance.state == InstanceState::Failed && instance.may_have_machine() {
            self.failed_with_machine = self.failed_with_machine.saturating_sub(1);
        }
        if instance.is_being_replaced() {
            self.being_replaced = self.being_replaced.saturating_sub(1);
        }
    }

    fn of(&mut self, state: InstanceState) -> &mut u32 {
        match state {
            InstanceState::Provisioning => &mut self.provisioning,
            InstanceState::PendingRegistration => &mut self.pending_registration,
            InstanceState::Running => &mut self.running,
            InstanceState::Terminating => &mut self.terminating,
            InstanceState::Terminated => &mut self.terminated,
            InstanceState::Failed => &mut self.failed,
        }
    }
}
