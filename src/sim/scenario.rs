use std::{collections::BTreeMap, time::Duration};

use navarch_proto::fleet::FleetSpec;

use super::{assertion::Assertion, step::Step};
use crate::{config::Yaml, provider::fake::CloudOptions};

/// What is tried out: a fleet, what happens to it, and what must hold.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// A short name, as a file would have.
    pub name: String,
    /// What it shows, in one line.
    pub description: String,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// What everything drawn at random is drawn from.
    pub seed: u64,
    /// When it begins, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The fleet's configuration at the start.
    pub(super) config: Configuration,
    /// How each provider behaves, by its name; the default for one that is not named.
    pub(super) clouds: BTreeMap<String, CloudPlan>,
    /// What happens, the earliest first.
    pub(super) timeline: Vec<Mark>,
    /// What must hold, in the file's order.
    pub(super) assertions: Vec<Assertion>,
}

/// A fleet's configuration.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// What it says, the text of its health policy included.
    pub(super) fleet: FleetSpec,
    /// As it is written.
    pub(super) yaml: Yaml,
}

/// How a simulated provider behaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CloudPlan {
    /// From the purchase to a machine that boots its agent.
    pub(super) boot_delay: Duration,
    /// From the termination to a machine that is gone.
    pub(super) shutdown_delay: Duration,
    /// How many machines of a type can be live at once; types that are not named: without limit.
    pub(super) capacity: BTreeMap<String, u32>,
}

impl Default for CloudPlan {
    fn default() -> Self {
        let (boot_delay, shutdown_delay) = (Duration::from_secs(30), Duration::from_secs(5));
        Self { boot_delay, shutdown_delay, capacity: BTreeMap::new() }
    }
}

impl CloudPlan {
    /// A cloud that behaves so, of which a machine without a known type has `gpu_count` GPUs; 0: the default.
    pub(super) fn options(&self, gpu_count: u32) -> CloudOptions {
        let default = CloudOptions::default();
        CloudOptions {
            boot_delay: self.boot_delay,
            shutdown_delay: self.shutdown_delay,
            capacity: self.capacity.clone(),
            default_gpu_count: if gpu_count > 0 { gpu_count } else { default.default_gpu_count },
            ..default
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Milliseconds after the start.
    pub(super) at_ms: u64,
    /// What.
    pub(super) step: Step,
}

impl Scenario {
    /// How many steps the timeline has.
    pub fn steps(&self) -> usize {
        self.timeline.len()
    }

    /// How many assertions it makes.
    pub fn assertions(&self) -> usize {
        self.assertions.len()
    }

    /// Every configuration that is ever applied, the first first.
    pub(super) fn configurations(&self) -> Vec<&Configuration> {
        let applied = self.timeline.iter().filter_map(|mark| match &mark.step {
            Step::Apply(config, _) => Some(&**config),
            Step::Load(_)
            | Step::Queue(_)
            | Step::Fail(..)
            | Step::Revive(_)
            | Step::Drought(_)
            | Step::DroughtEnds(_)
            | Step::Cordon(_)
            | Step::Drain(..)
            | Step::Uncordon(_)
            | Step::Scale { .. } => None,
        });
        std::iter::once(&self.config).chain(applied).collect()
    }
}
