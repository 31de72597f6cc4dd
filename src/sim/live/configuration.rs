use std::collections::BTreeMap;

use navarch_proto::api::NodeInfo;

use crate::{config::Yaml, sim::scenario::Configuration};

/// The label of pools that live runs make, and of their machines.
pub(super) const SIMULATED: &str = "simulated";

/// Whether a node runs on a machine of a live run. All others are somebody's own.
pub(super) fn is_simulated(node: &NodeInfo) -> bool {
    let value = node.metadata.as_ref().and_then(|metadata| metadata.labels.get(SIMULATED));
    value.is_some_and(|value| value == "true")
}

/// A configuration as the group gets it.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) yaml: Yaml,
    /// The text of the health policy that it names.
    pub(super) policy_yaml: String,
}

impl Applied {
    /// A scenario's configuration with the fake clouds at `urls`, by name, as its providers. What it says of a replica
    /// and of a workload system or a Prometheus server is left out, as in fast mode: none of these is simulated.
    pub(super) fn new(config: &Configuration, urls: &BTreeMap<String, String>) -> Self {
        let mut yaml = config.yaml.clone();
        yaml.remove("cluster");
        let server = yaml.map_mut("server");
        server.remove("tls");
        server.remove("notifier");
        yaml.serve_fake_providers(|name| urls.get(name).cloned());
        for (_, pool) in yaml.map_mut("pools").entries_mut() {
            pool.map_mut("labels").set(SIMULATED, Yaml::text("true"));
            if pool.get("metrics").is_some() {
                pool.map_mut("metrics").remove("prometheus");
            }
        }
        Self { yaml, policy_yaml: config.fleet.policy_yaml.clone() }
    }

    /// The same fleet with nothing in it, and nothing that would put something into it.
    pub(super) fn at_zero(&self) -> Self {
        let mut zero = self.clone();
        for (_, pool) in zero.yaml.map_mut("pools").entries_mut() {
            pool.set("min_nodes", 0.into());
            pool.remove("autoscaling");
        }
        zero
    }

    /// No fleet at all.
    pub(super) fn nothing() -> Self {
        let yaml = Yaml::map([("server", Yaml::map([]))]);
        Self { yaml, policy_yaml: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::parse_fleet, sim::parse};

    const SCENARIO: &str = "\
name: s
duration: 1m
config:
  server:
    heartbeat_interval: 7s
    notifier: {type: webhook, webhook: {drain_url: 'http://real.example/drain'}}
  cluster: {replica: r9}
  providers:
    cloud: {type: fake, gpu_count: 4}
  pools:
    training:
      provider: cloud
      instance_type: h100-8x
      min_nodes: 2
      max_nodes: 4
      autoscaling: {type: reactive, scale_up_at: 80, scale_down_at: 20}
assertions: [{lost_nodes: 0}]
";

    /// Without it a scenario could reach a real workload system, or machines could not be told from real ones.
    #[test]
    fn a_group_gets_fake_clouds_and_labelled_pools() {
        let scenario = parse(SCENARIO, "s.yaml").unwrap();
        let urls = BTreeMap::from([("cloud".to_owned(), "http://127.0.0.1:7".to_owned())]);
        let applied = Applied::new(&scenario.config, &urls);
        let fleet = parse_fleet(&applied.yaml.write(), "").unwrap();
        let settings = fleet.settings.unwrap();
        assert_eq!(settings.heartbeat_interval_ms, 7_000);
        assert_eq!(settings.notifier.unwrap().r#type, "noop");
        let provider = &fleet.providers[0];
        assert_eq!((&*provider.r#type, &*provider.url), ("http", "http://127.0.0.1:7"));
        assert_eq!(fleet.pools[0].labels[SIMULATED], "true");
        assert_eq!((fleet.pools[0].min_nodes, fleet.pools[0].autoscaling.is_some()), (2, true));
        let zero = parse_fleet(&applied.at_zero().yaml.write(), "").unwrap();
        assert_eq!((zero.pools[0].min_nodes, zero.pools[0].autoscaling.is_some()), (0, false));
        assert_eq!(zero.providers, fleet.providers);
        let nothing = parse_fleet(&Applied::nothing().yaml.write(), "").unwrap();
        assert!(nothing.pools.is_empty() && nothing.providers.is_empty());
    }
}
