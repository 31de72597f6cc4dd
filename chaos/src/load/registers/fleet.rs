use std::fmt::Write as _;

use crate::proc::FleetFile;

/// The largest target that a pool may have.
const MOST_NODES: u64 = 200_000;
/// How many values the register in the configuration takes: few, so that files are applied that change nothing.
const SPECS: u64 = 16;

/// A configuration with pools whose targets are registers, and one whose `max_nodes` is.
#[derive(Clone, Debug)]
pub struct RegisterFleet {
    base: FleetFile,
    pools: u32,
}

/// Which register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// The target of a pool.
    Target(u32),
    /// `max_nodes` of the pool that has no other use.
    Spec,
}

impl RegisterFleet {
    /// The pools of so many registers beside what `base` has, which may have no providers and pools of its own.
    pub fn new(base: FleetFile, pools: u32) -> Self {
        Self { base, pools }
    }

    /// What the replicas of the group start with.
    pub fn file(&self) -> FleetFile {
        let sections = format!("{}{}", self.base.sections, self.sections(1));
        FleetFile { server: self.base.server.clone(), sections }
    }

    /// The file that sets the register in the configuration to `value`.
    pub(super) fn yaml(&self, value: u64) -> String {
        let mut text = "server:\n".to_owned();
        for line in &self.base.server {
            let _ = writeln!(text, "  {line}");
        }
        text + &self.base.sections + &self.sections(value)
    }

    /// All registers.
    pub(super) fn registers(&self) -> impl Iterator<Item = Register> {
        (0..self.pools).map(Register::Target).chain([Register::Spec])
    }

    fn sections(&self, spec: u64) -> String {
        let mut text = "\nproviders:\n  nowhere: {type: fake, gpu_count: 8}\npools:\n".to_owned();
        for register in self.registers() {
            let most = if register == Register::Spec { spec } else { MOST_NODES };
            let name = register.pool();
            let _ = writeln!(
                text,
                "  {name}: {{provider: nowhere, instance_type: none, min_nodes: 0, max_nodes: {most}}}"
            );
        }
        text
    }
}

impl Register {
    /// The pool that it is part of.
    pub(super) fn pool(self) -> String {
        match self {
            Self::Target(number) => format!("register-{number}"),
            Self::Spec => "register-spec".to_owned(),
        }
    }

    /// Under which name it stands in the history.
    pub(super) fn key(self) -> String {
        match self {
            Self::Target(_) => format!("target of {}", self.pool()),
            Self::Spec => format!("max_nodes of {}", self.pool()),
        }
    }

    /// What the write of this number sets it to.
    pub(super) fn value(self, number: u64) -> u64 {
        match self {
            Self::Target(_) => number % MOST_NODES,
            Self::Spec => 1 + number % SPECS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the group would not start, or a write of the configuration would change more than its register.
    #[test]
    fn files_differ_in_the_register_alone() {
        let fleet = RegisterFleet::new(FleetFile::quiet(), 2);
        let [seven, eight] =
            [7, 8].map(|value| navarch::config::parse_fleet(&fleet.yaml(value), "").unwrap());
        let names: Vec<_> = seven.pools.iter().map(|pool| pool.name.as_str()).collect();
        assert_eq!(names, ["register-0", "register-1", "register-spec"]);
        assert_eq!((seven.pools[2].max_nodes, eight.pools[2].max_nodes), (7, 8));
        assert_eq!(seven.pools[..2], eight.pools[..2]);
        assert_eq!(seven.settings, eight.settings);
        assert!(fleet.yaml(1).ends_with(&fleet.file().sections));
    }
}
