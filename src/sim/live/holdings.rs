use navarch_proto::api::{
    GetFleetStatusRequest, InstanceInfo, InstanceState, ListInstancesRequest, ListNodesRequest,
    NodeInfo, NodeStatus, PoolInfo,
};

use super::{
    configuration::{Applied, SIMULATED, is_simulated},
    operator::{Manner, Operator},
};
use crate::{
    client::rpc::{GetFleetStatus, ListInstances},
    sim::{
        error::SimError,
        scenario::{Configuration, Scenario},
    },
};

/// Names shown at most.
const SHOWN: usize = 8;
/// How the keys of intervals and time-outs end, and of what follows from them, which any scenario sets and a person need not
/// miss.
const TIMES: [&str; 3] = ["_interval", "_timeout", ".window"];

/// What a group has before a scenario is played against it.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) pools: Vec<PoolInfo>,
    pub(super) instances: Vec<InstanceInfo>,
    pub(super) nodes: Vec<NodeInfo>,
    /// What a configuration without anything would change, as `navarch apply --dry-run` tells it.
    pub(super) changes: Vec<String>,
    /// Whether the fleet comes from a snapshot and stands still.
    pub(super) adopts: bool,
}

impl Holdings {
    /// Asks the group; nothing is changed.
    pub(super) async fn of(operator: &Operator) -> Result<Self, SimError> {
        let request = ListInstancesRequest::default();
        let instances = operator.call::<ListInstances>("list the instances", request).await?;
        let request = GetFleetStatusRequest::default();
        let status = operator.call::<GetFleetStatus>("read the status", request).await?;
        let nodes = operator.nodes(ListNodesRequest::default()).await?;
        Ok(Self {
            pools: status.pools,
            instances: instances.instances.into_iter().filter(has_machine).collect(),
            nodes: nodes.into_iter().filter(|one| one.status() != NodeStatus::Terminated).collect(),
            changes: operator.apply(&Applied::nothing(), Manner::Ask).await?,
            adopts: status.adopt_mode.is_some(),
        })
    }

    /// Whether what is there must be taken away first.
    ///
    /// # Errors
    ///
    /// If there is anything, unless that is to be replaced and has no machines that are not simulated.
    pub(super) fn check(&self, force: bool) -> Result<bool, SimError> {
        let real = self.instances.iter().any(|one| !one.labels.contains_key(SIMULATED))
            || !self.nodes.iter().all(is_simulated);
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

    /// The configuration of a scenario that has whatever pools have machines; what retires goes by itself. A run that
    /// was killed may have left any of them.
    ///
    /// # Errors
    ///
    /// If another scenario has left machines: nothing says any more where these come from.
    pub(super) fn configuration<'a>(
        &self,
        scenario: &'a Scenario,
    ) -> Result<&'a Configuration, SimError> {
        let all = scenario.configurations();
        let names = |config: &Configuration, pool: &PoolInfo| {
            config.fleet.pools.iter().any(|spec| spec.name == pool.name)
        };
        let full = || self.pools.iter().filter(|pool| pool.occupancy > 0);
        let fits = |config: &Configuration| full().all(|pool| pool.retiring || names(config, pool));
        let foreign = full().filter(|pool| !all.iter().any(|config| names(config, pool)));
        let foreign = listed("pool", foreign.map(with_machines).collect());
        match (foreign, all.iter().find(|config| fits(config))) {
            (None, Some(config)) => Ok(config),
            (Some(found), _) => Err(SimError::LeftOfAnother { found }),
            // The scenario has each of the pools, but never all of them at once: another one has.
            (None, None) => {
                let found = listed("pool", full().map(with_machines).collect());
                Err(SimError::LeftOfAnother { found: found.unwrap_or_default() })
            }
        }
    }

    /// What there is, one part a kind.
    fn found(&self) -> Vec<String> {
        let pools = self.pools.iter().map(with_machines);
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

    /// Providers, and whatever else a person would have to configure again.
    fn settings(&self) -> Vec<String> {
        let kept = self.changes.iter().filter_map(|line| {
            let (key, change) = line.split_once(": ")?;
            let setting = ["server.", "instance_manager."].iter().any(|own| key.starts_with(own))
                && !TIMES.iter().any(|end| key.ends_with(end));
            let kept = key.starts_with("providers.") || setting;
            (kept && !change.starts_with("unset ->")).then(|| key.to_owned())
        });
        kept.collect()
    }
}

/// `training (2 machines)`.
fn with_machines(pool: &PoolInfo) -> String {
    match pool.occupancy {
        1 => format!("{} (1 machine)", pool.name),
        count => format!("{} ({count} machines)", pool.name),
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
    use navarch_proto::api::NodeMetadata;

    use super::*;
    use crate::sim::parse;

    /// Goes from a pool `a` to pools `b` and `c`.
    const SCENARIO: &str = "\
name: s
duration: 1m
config:
  providers: {cloud: {type: fake}}
  pools: {a: {provider: cloud, instance_type: h100-8x, min_nodes: 1, max_nodes: 2}}
timeline:
  - at: 10s
    apply:
      force: true
      config:
        providers: {cloud: {type: fake}}
        pools:
          b: {provider: cloud, instance_type: h100-8x, min_nodes: 1, max_nodes: 2}
          c: {provider: cloud, instance_type: h100-8x, min_nodes: 1, max_nodes: 2}
assertions: [{lost_nodes: 0}]
";

    fn node(simulated: bool) -> NodeInfo {
        let label = simulated.then(|| (SIMULATED.to_owned(), "true".to_owned()));
        let labels = label.into_iter().collect();
        NodeInfo {
            node_id: "n-1".to_owned(),
            metadata: Some(NodeMetadata { labels, ..NodeMetadata::default() }),
            ..NodeInfo::default()
        }
    }

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
        let standalone = Holdings { nodes: vec![node(true), node(false)], ..Holdings::default() };
        let silent = Holdings { nodes: vec![NodeInfo::default()], ..Holdings::default() };
        for found in [restored, standalone, silent] {
            assert!(matches!(found.check(true), Err(SimError::HasFleet { .. })), "{found:?}");
        }
    }

    /// Without it a configuration could be replaced unasked, or the rest of an earlier run could not be.
    #[test]
    fn a_configuration_without_real_machines_is_replaced_by_force_alone() {
        let table = [
            Holdings { pools: vec![pool("training", 0)], ..Holdings::default() },
            Holdings { instances: vec![instance("i-1", true)], ..Holdings::default() },
            Holdings { nodes: vec![node(true)], ..Holdings::default() },
            Holdings { changes: changes(&["providers.rack: removed"]), ..Holdings::default() },
        ];
        let settings = [
            "server.health_policy: a policy of 9 bytes -> built-in",
            "server.notifier.type: custom -> noop",
            "server.notifier.webhook.headers.X-Key: not shown -> unset",
            "server.max_registered_nodes: 500 -> 200000",
            "server.enabled_health_checks: boot -> boot, nvml, xid",
            "instance_manager.orphans: report -> terminate",
            "instance_manager.retain_terminated: 1h -> 24h",
        ];
        let settings =
            settings.map(|line| Holdings { changes: changes(&[line]), ..Holdings::default() });
        for found in table.into_iter().chain(settings) {
            let error = found.check(false).unwrap_err();
            assert!(matches!(error, SimError::HasConfiguration { .. }), "{found:?}");
            assert!(found.check(true).unwrap(), "{found:?}");
        }
    }

    /// Without it no scenario could be played against a new group.
    #[test]
    fn a_new_group_is_free() {
        let lines = [
            "instance_manager.orphans: unset -> terminate",
            "instance_manager.stale_check_interval: 1s -> 1m",
            "server.heartbeat_interval: 1s -> 30s",
            "server.heartbeat_timeout: unset -> 1m30s",
            "server.max_registered_nodes: unset -> 200000",
        ];
        let new = Holdings { changes: changes(&lines), ..Holdings::default() };
        assert!(!new.check(false).unwrap());
    }

    /// Without it the rest of another scenario would be taken for this one's, and the group would refuse the end of it
    /// with advice that does not help; or the rest of a run that was killed late could not be taken back.
    #[test]
    fn only_what_a_configuration_of_the_scenario_has_is_taken_back() {
        let scenario = parse(SCENARIO, "s.yaml").unwrap();
        let retiring = |name| PoolInfo { retiring: true, ..pool(name, 1) };
        let table = [
            (vec![], Ok("a")),
            (vec![pool("other", 0)], Ok("a")),
            (vec![pool("a", 2)], Ok("a")),
            (vec![pool("b", 2), pool("c", 1)], Ok("b")),
            (vec![retiring("a"), pool("b", 1)], Ok("b")),
            (vec![pool("a", 1), pool("other", 2)], Err("pool other (2 machines)")),
            (vec![retiring("other")], Err("pool other (1 machine)")),
            (vec![pool("a", 1), pool("c", 1)], Err("pools a (1 machine), c (1 machine)")),
        ];
        for (pools, expected) in table {
            let found = Holdings { pools, ..Holdings::default() };
            match (found.configuration(&scenario), expected) {
                (Ok(config), Ok(first)) => assert_eq!(config.fleet.pools[0].name, first),
                (Err(error), Err(named)) => {
                    let text = error.to_string();
                    for part in [named, "another scenario", "--live --force"] {
                        assert!(text.contains(part), "{part}: {text}");
                    }
                }
                (result, expected) => panic!("{expected:?}: {result:?}"),
            }
        }
    }
}
