use navarch_proto::api::{
    GetFleetStatusRequest, InstanceInfo, InstanceState, ListInstancesRequest, ListNodesRequest,
    NodeInfo, NodeStatus, PoolInfo,
};

use super::{
    configuration::{Applied, SIMULATED},
    operator::{Manner, Operator},
};
use crate::{
    client::rpc::{GetFleetStatus, ListInstances},
    sim::error::SimError,
};

/// Names shown at most.
const SHOWN: usize = 8;
/// What the difference of two configurations says where there was nothing before.
const NOTHING_BEFORE: [&str; 3] = ["added", "unset", "built-in"];

/// What a group has before a scenario is played against it.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) pools: Vec<PoolInfo>,
    pub(super) instances: Vec<InstanceInfo>,
    pub(super) nodes: Vec<NodeInfo>,
    /// What the scenario's configuration would change, as `navarch apply --dry-run` tells it.
    pub(super) changes: Vec<String>,
    /// Whether the fleet comes from a snapshot and stands still.
    pub(super) adopts: bool,
}

impl Holdings {
    /// Asks the group; nothing is changed. `wanted` is what the scenario begins with.
    pub(super) async fn of(operator: &Operator, wanted: &Applied) -> Result<Self, SimError> {
        let request = ListInstancesRequest::default();
        let instances = operator.call::<ListInstances>("list the instances", request).await?;
        let request = GetFleetStatusRequest::default();
        let status = operator.call::<GetFleetStatus>("read the status", request).await?;
        let nodes = operator.nodes(ListNodesRequest::default()).await?;
        Ok(Self {
            pools: status.pools,
            instances: instances.instances.into_iter().filter(has_machine).collect(),
            nodes: nodes.into_iter().filter(|one| one.status() != NodeStatus::Terminated).collect(),
            changes: operator.apply(wanted, Manner::Ask).await?,
            adopts: status.adopt_mode.is_some(),
        })
    }

    /// Whether what is there must be taken away first.
    ///
    /// # Errors
    ///
    /// If there is anything, unless that is to be replaced and has no machines that are not simulated.
    pub(super) fn check(&self, force: bool) -> Result<bool, SimError> {
        let real = self.instances.iter().any(|one| !one.labels.contains_key(SIMULATED));
        let found = self.found();
        if found.is_empty() {
            return Ok(false);
        }
        if real || self.adopts {
            return Err(SimError::HasFleet { found: found.join("; ") });
        }
        if !force {
            return Err(SimError::HasConfiguration { found: found.join("; ") });
        }
        Ok(true)
    }

    /// What there is, one part a kind.
    fn found(&self) -> Vec<String> {
        let pools = self.pools.iter().map(|pool| match pool.occupancy {
            1 => format!("{} (1 machine)", pool.name),
            count => format!("{} ({count} machines)", pool.name),
        });
        let mut instances: Vec<_> = self.instances.iter().map(|one| &one.instance_id).collect();
        instances.sort_unstable();
        let mut found: Vec<_> = [
            listed("pool", pools.collect()),
            listed("instance", instances.into_iter().cloned().collect()),
            listed("node", self.nodes.iter().map(|node| node.node_id.clone()).collect()),
            listed("setting", self.settings()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.adopts {
            found.push("adopt mode".to_owned());
        }
        found
    }

    /// Providers, and whatever else a person would have to configure again; intervals are not.
    fn settings(&self) -> Vec<String> {
        let kept = self.changes.iter().filter_map(|line| {
            let (key, change) = line.split_once(": ")?;
            let there = !NOTHING_BEFORE.iter().any(|word| change.starts_with(word));
            let provider = key.strip_prefix("providers.").map(|rest| {
                let name = rest.split('.').next().unwrap_or(rest);
                format!("providers.{name}")
            });
            let other = ["server.notifier.webhook.", "server.health_policy"];
            let other = other.iter().any(|own| key.starts_with(own)).then(|| key.to_owned());
            provider.or(other).filter(|_| there)
        });
        let mut kept: Vec<_> = kept.collect();
        kept.dedup();
        kept
    }
}

/// Whether there is a machine behind the record, or may be. An order that was refused leaves a record without one; of an
/// order that was not answered the pool tells, which then cannot be removed.
fn has_machine(instance: &InstanceInfo) -> bool {
    match instance.state() {
        InstanceState::Terminated => false,
        InstanceState::Failed => !instance.provider_ref.is_empty(),
        InstanceState::Unknown
        | InstanceState::Provisioning
        | InstanceState::PendingRegistration
        | InstanceState::Running
        | InstanceState::Terminating => true,
    }
}

/// `pools a, b and 3 more`, if there are any.
fn listed(what: &str, mut names: Vec<String>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let plural = if names.len() == 1 { "" } else { "s" };
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names = names.join(", ");
    Some(match more {
        0 => format!("{what}{plural} {names}"),
        more => format!("{what}{plural} {names} and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, occupancy: u32) -> PoolInfo {
        PoolInfo { name: name.to_owned(), occupancy, ..PoolInfo::default() }
    }

    fn instance(id: &str, simulated: bool) -> InstanceInfo {
        let label = simulated.then(|| (SIMULATED.to_owned(), "true".to_owned()));
        InstanceInfo {
            instance_id: id.to_owned(),
            labels: label.into_iter().collect(),
            ..InstanceInfo::default()
        }
    }

    fn changes(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Without it somebody could lose a fleet by trying a scenario, force or not.
    #[test]
    fn a_fleet_of_real_machines_is_never_touched() {
        let found = Holdings {
            pools: vec![pool("training", 2)],
            instances: vec![instance("i-1", true), instance("i-2", false)],
            ..Holdings::default()
        };
        for force in [false, true] {
            let error = found.check(force).unwrap_err();
            assert!(matches!(error, SimError::HasFleet { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("pool training (2 machines); instances i-1, i-2"), "{text}");
        }
        let restored = Holdings { adopts: true, ..Holdings::default() };
        assert!(matches!(restored.check(true), Err(SimError::HasFleet { .. })));
    }

    /// Without it a configuration could be replaced unasked, or the rest of an earlier run could not be.
    #[test]
    fn a_configuration_without_real_machines_is_replaced_by_force_alone() {
        let table = [
            Holdings { pools: vec![pool("training", 0)], ..Holdings::default() },
            Holdings { instances: vec![instance("i-1", true)], ..Holdings::default() },
            Holdings { nodes: vec![NodeInfo::default()], ..Holdings::default() },
            Holdings { changes: changes(&["providers.rack: removed"]), ..Holdings::default() },
            Holdings {
                changes: changes(&["providers.cloud.type: aws -> http"]),
                ..Holdings::default()
            },
            Holdings {
                changes: changes(&["server.health_policy: a policy of 9 bytes -> built-in"]),
                ..Holdings::default()
            },
        ];
        for found in table {
            let error = found.check(false).unwrap_err();
            assert!(matches!(error, SimError::HasConfiguration { .. }), "{found:?}");
            assert!(found.check(true).unwrap(), "{found:?}");
        }
    }

    /// Without it no scenario could be played against a new group.
    #[test]
    fn a_new_group_is_free() {
        let lines = [
            "pools.training: added",
            "providers.cloud: added",
            "server.heartbeat_interval: 30s -> 1s",
            "server.health_policy: built-in -> a policy of 9 bytes",
        ];
        let new = Holdings { changes: changes(&lines), ..Holdings::default() };
        assert!(!new.check(false).unwrap());
    }
}
