use std::sync::Arc;

use bytes::Bytes;
use navarch_proto::fleet::FailureKind;

use super::instance_state::{InstanceState, InstanceStep, Machine, next_state};
use crate::{
    ids::{InstanceId, NodeId, PoolName, ProviderName, ProviderRef, Revision},
    time::LogTime,
};

/// A rented machine, from the decision to order it until a while after it is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Ours: the order's idempotency key, name and tag.
    pub id: InstanceId,
    /// The pool it counts towards.
    pub pool: PoolName,
    /// Who is asked for it.
    pub provider: ProviderName,
    /// The provider's region: asked for, then as bought.
    pub region: Arc<str>,
    /// The provider's zone: asked for, then as bought.
    pub zone: Arc<str>,
    /// The provider's own name of the type.
    pub instance_type: Arc<str>,
    /// Where it is in its life.
    pub state: InstanceState,
    /// The provider's id of the machine; none: not known (yet).
    pub provider_ref: Option<ProviderRef>,
    /// The node that runs on it, or ran last.
    pub node_id: Option<NodeId>,
    /// The exact body that the provider is asked with, each time.
    pub request_body: Bytes,
    /// The instance that it takes the place of.
    pub replaces: Option<InstanceId>,
    /// The order that takes its place while it still runs: the two count one towards the pool's size.
    pub replaced_by: Option<InstanceId>,
    /// Raised by each change of the record.
    pub revision: Revision,
    /// When the order was decided on.
    pub created_at: LogTime,
    /// When its node first registered.
    pub ready_at: Option<LogTime>,
    /// When the present state began.
    pub state_since: LogTime,
    /// When the provider confirmed that it is gone.
    pub terminated_at: Option<LogTime>,
    /// The reason of the last change.
    pub status_message: Arc<str>,
    /// US dollars; 0: not known.
    pub price_per_hour: f64,
    /// Why it failed; unspecified: it did not.
    pub failure: FailureKind,
}

/// Where a machine is rented, and of what type; in the provider's own words.
pub(crate) struct Place {
    pub(crate) provider: ProviderName,
    pub(crate) region: Arc<str>,
    pub(crate) zone: Arc<str>,
    pub(crate) instance_type: Arc<str>,
}

impl Instance {
    /// A record that begins now: no machine, no node, no price.
    pub(crate) fn begin(
        id: InstanceId,
        pool: PoolName,
        place: Place,
        state: InstanceState,
        now: LogTime,
    ) -> Self {
        let Place { provider, region, zone, instance_type } = place;
        Self {
            id,
            pool,
            provider,
            region,
            zone,
            instance_type,
            state,
            provider_ref: None,
            node_id: None,
            request_body: Bytes::new(),
            replaces: None,
            replaced_by: None,
            revision: Revision(1),
            created_at: now,
            ready_at: None,
            state_since: now,
            terminated_at: None,
            status_message: Arc::default(),
            price_per_hour: 0.0,
            failure: FailureKind::Unspecified,
        }
    }

    /// Whether its provider may have a machine for it that costs money: unless an answer or a complete
    /// listing said that there is none.
    pub fn may_have_machine(&self) -> bool {
        match self.state {
            InstanceState::Provisioning
            | InstanceState::PendingRegistration
            | InstanceState::Running
            | InstanceState::Terminating => true,
            InstanceState::Terminated => false,
            InstanceState::Failed => {
                self.provider_ref.is_some() && self.failure != FailureKind::Vanished
            }
        }
    }

    /// Whether it counts towards the pool's occupancy, which the maximum bounds.
    pub fn occupies(&self) -> bool {
        self.may_have_machine()
    }

    /// Whether it has a machine that may work, or an order that may bring one.
    pub fn is_live(&self) -> bool {
        match self.state {
            InstanceState::Provisioning
            | InstanceState::PendingRegistration
            | InstanceState::Running => true,
            InstanceState::Terminating | InstanceState::Terminated | InstanceState::Failed => false,
        }
    }

    /// Whether it runs until its replacement does.
    pub fn is_being_replaced(&self) -> bool {
        self.state == InstanceState::Running && self.replaced_by.is_some()
    }

    /// Whether nothing more can be expected to happen to it, so that retention drops it in time.
    pub fn is_finished(&self) -> bool {
        !self.may_have_machine()
    }

    /// The state after `step`, or why it is refused.
    pub(crate) fn next(&self, step: InstanceStep) -> Result<InstanceState, &'static str> {
        let machine = if self.may_have_machine() { Machine::Present } else { Machine::Absent };
        next_state(self.state, machine, step)
    }

    /// Enters a state.
    pub(crate) fn enter(&mut self, state: InstanceState, now: LogTime) {
        if self.state == state {
            return;
        }
        self.state = state;
        self.state_since = now;
        match state {
            InstanceState::Running if self.ready_at.is_none() => self.ready_at = Some(now),
            InstanceState::Terminated => self.terminated_at = Some(now),
            InstanceState::Terminating => self.terminated_at = None,
            InstanceState::Provisioning
            | InstanceState::PendingRegistration
            | InstanceState::Running
            | InstanceState::Failed => {}
        }
    }
}
