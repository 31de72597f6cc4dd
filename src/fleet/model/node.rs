use std::sync::Arc;

use navarch_proto::{
    api::{HealthStatus, NodeStatus},
    fleet::NodeInventory,
};

use super::{Administrative, EarlierRequests, Health, Liveness, Zone, inventory};
use crate::{
    ids::{InstanceId, NodeId, NodeNumber, PoolName, Revision},
    limits::MAX_REASON_BYTES,
    text::stored,
    time::LogTime,
};

/// The label under which an agent names its pool.
pub const POOL_LABEL: &str = "pool";
/// The label under which an agent names the instance that it runs on.
pub const INSTANCE_LABEL: &str = "navarch.instance";

/// A GPU machine as its agent registered it, with its three facts apart.
///
/// Clones share their texts; a fleet of 200,000 must fit in memory, so the inventory stays packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The agent's name of it.
    pub id: NodeId,
    /// How digests name it.
    pub number: NodeNumber,
    /// The provider that the agent names; may be empty, as may the next three.
    pub provider: Arc<str>,
    /// The provider's region.
    pub region: Arc<str>,
    /// The provider's zone.
    pub zone: Arc<str>,
    /// The provider's type of machine.
    pub instance_type: Arc<str>,
    /// GPUs and metadata, packed.
    pub inventory: Arc<[u8]>,
    /// How many GPUs the inventory holds.
    pub gpu_count: u32,
    /// The pool it counts towards: its instance's, else the one that its label names.
    pub pool: Option<PoolName>,
    /// The instance it runs on; none: a standalone node, which is somebody else's machine.
    pub instance_id: Option<InstanceId>,
    /// Raised by each registration.
    pub incarnation: u64,
    /// Raised by each change of the record.
    pub revision: Revision,
    /// When it last registered.
    pub registered_at: LogTime,
    /// Under which request id it last registered; a retry under the same one changes nothing.
    pub last_request_id: Arc<str>,
    /// Under which ones it registered before: their late tries change nothing either.
    pub(crate) earlier_requests: EarlierRequests,
    /// The request of the last report that changed the health, so that a retry of it counts once.
    pub last_report_id: Arc<str>,
    /// The requests of those before it: their late tries must not count again either.
    pub(crate) earlier_reports: EarlierRequests,
    /// What people decided.
    pub administrative: Administrative,
    /// Why they did.
    pub administrative_reason: Arc<str>,
    /// What its reports say.
    pub health: Health,
    /// Whether it is heard.
    pub liveness: Liveness,
}

impl Node {
    /// The wire's status: terminated, else draining, else unhealthy (latched or lost), else cordoned, else
    /// active.
    pub fn status(&self) -> NodeStatus {
        match self.administrative {
            Administrative::Terminated => NodeStatus::Terminated,
            Administrative::Draining(_) => NodeStatus::Draining,
            Administrative::Cordoned | Administrative::Active
                if self.health.latched || self.is_lost() =>
            {
                NodeStatus::Unhealthy
            }
            Administrative::Cordoned => NodeStatus::Cordoned,
            Administrative::Active => NodeStatus::Active,
        }
    }

    /// The wire's health: the last verdict, but a lost node shows as unhealthy.
    pub fn health_status(&self) -> HealthStatus {
        if self.is_lost() { HealthStatus::Unhealthy } else { self.health.verdict }
    }

    /// Whether its machine is gone.
    pub fn is_gone(&self) -> bool {
        self.administrative == Administrative::Terminated
    }

    /// Whether an unhealthy verdict stands, of which anything can come: whose machine is gone is past it.
    pub fn stands_unhealthy(&self) -> bool {
        self.health.latched && !self.is_gone()
    }

    /// Whether it is silent for longer than its time-out.
    pub fn is_lost(&self) -> bool {
        match self.liveness {
            Liveness::Lost(_) => true,
            Liveness::Beating => false,
        }
    }

    /// Why it is as it is: the reason of the fact that decides its status.
    pub fn reason(&self) -> &str {
        match (self.status(), &self.liveness) {
            (NodeStatus::Unhealthy, Liveness::Lost(loss)) if !self.health.latched => &loss.reason,
            (NodeStatus::Unhealthy, _) => &self.health.reason,
            _ => &self.administrative_reason,
        }
    }

    /// Why it is replaced while it is unhealthy.
    pub fn replacement_reason(&self) -> Arc<str> {
        let reason = format!("node {} is unhealthy: {}", self.id, self.health.reason);
        stored(&reason, MAX_REASON_BYTES)
    }

    /// Where it is.
    pub fn zone_key(&self) -> Zone {
        let Self { provider, region, zone, .. } = self;
        Zone { provider: provider.clone(), region: region.clone(), zone: zone.clone() }
    }

    /// Whether anybody has to look at it: any status but active.
    pub fn wants_attention(&self) -> bool {
        self.status() != NodeStatus::Active
    }

    /// GPUs and metadata, decoded.
    pub fn inventory(&self) -> NodeInventory {
        // The bytes are our own encoding; a state that holds others does not load.
        inventory::unpack(&self.inventory).unwrap_or_default()
    }
}

/// How events and messages name a status.
pub(crate) fn status_word(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Unknown => "unknown",
        NodeStatus::Active => "active",
        NodeStatus::Cordoned => "cordoned",
        NodeStatus::Draining => "draining",
        NodeStatus::Unhealthy => "unhealthy",
        NodeStatus::Terminated => "terminated",
    }
}

#[cfg(test)]
#[path = "node_test.rs"]
mod tests;
