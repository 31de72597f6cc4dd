//! The records as the public interface shows them.

use std::sync::Arc;

use navarch_proto::{
    api,
    fleet::{Autoscaling, autoscaling::Strategy},
};

use crate::{
    model::{CommandState, Instance, InstanceState, LastSeen, Node, NodeCommand, Pool},
    state::FleetState,
    time::LogTime,
};

impl Node {
    /// As clients see it.
    pub fn to_info(&self, last_seen: Option<LastSeen>) -> api::NodeInfo {
        let inventory = self.inventory();
        api::NodeInfo {
            node_id: self.id.to_string(),
            provider: self.provider.to_string(),
            region: self.region.to_string(),
            zone: self.zone.to_string(),
            instance_type: self.instance_type.to_string(),
            status: self.status().into(),
            health_status: self.health_status().into(),
            last_heartbeat: last_seen.map(|seen| seen.at.to_timestamp()),
            gpus: inventory.gpus,
            metadata: inventory.metadata,
            pool: self.pool.as_ref().map(ToString::to_string).unwrap_or_default(),
            instance_id: self.instance_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            incarnation: self.incarnation,
            revision: self.revision.0,
            lost: self.is_lost(),
            reason: self.reason().to_owned(),
            registered_at: Some(self.registered_at.to_timestamp()),
            health_rule: self.health.rule.to_string(),
            health_event: self.health.event.as_deref().cloned(),
            health_also_found_by: self.health.also.iter().map(|one| one.rule.to_string()).collect(),
        }
    }
}

impl From<InstanceState> for api::InstanceState {
    fn from(state: InstanceState) -> Self {
        match state {
            InstanceState::Provisioning => Self::Provisioning,
            InstanceState::PendingRegistration => Self::PendingRegistration,
            InstanceState::Running => Self::Running,
            InstanceState::Terminating => Self::Terminating,
            InstanceState::Terminated => Self::Terminated,
            InstanceState::Failed => Self::Failed,
        }
    }
}

impl Instance {
    /// As clients see it, without its pool's labels.
    pub fn to_info(&self) -> api::InstanceInfo {
        api::InstanceInfo {
            instance_id: self.id.to_string(),
            provider: self.provider.to_string(),
            region: self.region.to_string(),
            zone: self.zone.to_string(),
            instance_type: self.instance_type.to_string(),
            state: api::InstanceState::from(self.state).into(),
            pool_name: self.pool.to_string(),
            created_at: Some(self.created_at.to_timestamp()),
            ready_at: self.ready_at.map(LogTime::to_timestamp),
            terminated_at: self.terminated_at.map(LogTime::to_timestamp),
            node_id: self.node_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            status_message: self.status_message.to_string(),
            provider_ref: self.provider_ref.as_ref().map(ToString::to_string).unwrap_or_default(),
            revision: self.revision.0,
            price_per_hour: self.price_per_hour,
            ..api::InstanceInfo::default()
        }
    }
}

impl From<CommandState> for api::CommandState {
    fn from(state: CommandState) -> Self {
        match state {
            CommandState::Queued => Self::Queued,
            CommandState::Delivered => Self::Delivered,
            CommandState::Succeeded => Self::Succeeded,
            CommandState::Failed => Self::Failed,
            CommandState::Expired => Self::Expired,
        }
    }
}

impl NodeCommand {
    /// As its agent gets it.
    pub fn to_message(&self) -> api::NodeCommand {
        api::NodeCommand {
            command_id: self.id.to_string(),
            r#type: self.command_type.into(),
            parameters: self.parameters.clone(),
            issued_at: Some(self.issued_at.to_timestamp()),
        }
    }

    /// As operators see it.
    pub fn to_info(&self) -> api::CommandInfo {
        api::CommandInfo {
            command_id: self.id.to_string(),
            node_id: self.node_id.to_string(),
            r#type: self.command_type.into(),
            parameters: self.parameters.clone().into_iter().collect(),
            state: api::CommandState::from(self.state).into(),
            issued_at: Some(self.issued_at.to_timestamp()),
            finished_at: self.finished_at.map(LogTime::to_timestamp),
            output: self.output.to_string(),
            error: self.error.to_string(),
            actor: self.actor.to_string(),
        }
    }
}

/// How operators name a strategy.
fn strategy_name(autoscaling: Option<&Autoscaling>) -> &'static str {
    match autoscaling.and_then(|autoscaling| autoscaling.strategy.as_ref()) {
        None => "",
        Some(Strategy::Reactive(_)) => "reactive",
        Some(Strategy::Queue(_)) => "queue",
        Some(Strategy::Scheduled(_)) => "scheduled",
        Some(Strategy::Predictive(_)) => "predictive",
        Some(Strategy::Composite(_)) => "composite",
    }
}

impl FleetState {
    /// A node as clients see it, with when it was last heard from.
    pub fn node_info(&self, node: &Node) -> api::NodeInfo {
        node.to_info(self.last_seen(node.number))
    }

    /// An instance as clients see it, with its pool's labels.
    pub fn instance_info(&self, instance: &Instance) -> api::InstanceInfo {
        let labels = self.pool_spec(instance.pool.as_str()).map(|spec| spec.labels.clone());
        api::InstanceInfo {
            labels: labels.unwrap_or_default().into_iter().collect(),
            ..instance.to_info()
        }
    }

    /// A pool as operators see it. Goes through the pool's nodes.
    pub fn pool_info(&self, pool: &Pool) -> api::PoolInfo {
        let name = pool.name.as_str();
        let spec = self.pool_spec(name).cloned().unwrap_or_default();
        let counts = self.pool_counts(name);
        let is_healthy = |node: &&Arc<Node>| {
            node.status() != api::NodeStatus::Unhealthy
                && node.status() != api::NodeStatus::Terminated
                && !node.health.latched
                && !node.is_lost()
        };
        let healthy = self.nodes_in_pool(name).filter(is_healthy).count();
        api::PoolInfo {
            name: name.to_owned(),
            target: pool.target,
            min_nodes: spec.min_nodes,
            max_nodes: spec.max_nodes,
            size: counts.size(),
            occupancy: counts.occupancy(),
            provisioning: counts.provisioning,
            pending_registration: counts.pending_registration,
            running: counts.running,
            terminating: counts.terminating,
            failed: counts.failed,
            nodes: u32::try_from(self.node_count_in_pool(name)).unwrap_or(u32::MAX),
            healthy_nodes: u32::try_from(healthy).unwrap_or(u32::MAX),
            instance_type: spec.instance_type,
            providers: spec.providers.into_iter().map(|provider| provider.name).collect(),
            autoscaler: strategy_name(spec.autoscaling.as_ref()).to_owned(),
            reason: pool.reason.to_string(),
            held_reason: pool.held_reason.to_string(),
            replacement_held: pool.replacement_held.to_string(),
            paused: pool.paused,
            retiring: spec.retiring,
            cooldown_until: pool.cooldown.earlier().map(LogTime::to_timestamp),
            scale_up_after: pool.cooldown.up.map(LogTime::to_timestamp),
            scale_down_after: pool.cooldown.down.map(LogTime::to_timestamp),
            hold_until: pool.hold_until.map(LogTime::to_timestamp),
            revision: pool.revision.0,
        }
    }
}
