use std::collections::{BTreeMap, BTreeSet};

use navarch_proto::api::{InstanceInfo, InstanceState, PoolInfo};

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// After quiet the cloud has the machines that the records say, and every pool has its target of them.
#[derive(Clone, Copy, Debug)]
pub struct NothingLeaks;

impl Invariant for NothingLeaks {
    fn name(&self) -> &'static str {
        "nothing-leaks"
    }

    fn claim(&self) -> &'static str {
        "after quiet: machines = records = targets"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Evidence {
            machines: Some(machines),
            instances: Some(instances),
            pools: Some(pools),
            ..
        } = evidence
        else {
            return findings;
        };
        let running = |one: &&InstanceInfo| one.state() == InstanceState::Running;
        let running: Vec<_> = instances.iter().filter(running).collect();
        let records: BTreeSet<_> = running.iter().map(|one| &one.provider_ref).collect();
        let ours: BTreeSet<_> = machines.difference(&evidence.strangers).collect();
        for machine in ours.difference(&records) {
            findings.violated(format!("machine {machine} has no record"));
        }
        for machine in records.difference(&ours) {
            findings.violated(format!("the record of {machine} has no machine"));
        }
        for stranger in evidence.strangers.difference(machines) {
            findings.violated(format!("machine {stranger} is somebody else's, and is gone"));
        }
        findings.checked(ours.len() + pools.len());
        let mut by_pool: BTreeMap<&str, u32> = BTreeMap::new();
        for one in &running {
            *by_pool.entry(&one.pool_name).or_default() += 1;
        }
        for pool in pools {
            let PoolInfo { name, target, size, running, occupancy, healthy_nodes, .. } = pool;
            let records = by_pool.get(name.as_str()).copied().unwrap_or(0);
            let figures = [*size, *running, *occupancy, *healthy_nodes, records];
            findings.expect(figures.iter().all(|figure| figure == target), || {
                format!(
                    "{name} wants {target}; size, running, occupancy, healthy, records: {figures:?}"
                )
            });
        }
        for pool in evidence.maxima.keys() {
            let is_there = pools.iter().any(|one| one.name == *pool);
            findings.expect(is_there, || format!("pool {pool} is gone"));
        }
        findings.figure(format!("{} machines of {} pools", ours.len(), pools.len()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict::{self, Held, Unknown, Violated};

    fn judged(machines: &[&str], records: &[&str], target: u32) -> Verdict {
        let record = |&id: &&str| InstanceInfo {
            provider_ref: id.to_owned(),
            pool_name: "a".to_owned(),
            state: InstanceState::Running.into(),
            ..InstanceInfo::default()
        };
        let size = u32::try_from(records.len()).unwrap();
        let pool = PoolInfo {
            name: "a".to_owned(),
            target,
            size,
            running: size,
            occupancy: size,
            healthy_nodes: size,
            ..PoolInfo::default()
        };
        let evidence = Evidence {
            machines: Some(machines.iter().map(|&id| id.to_owned()).collect()),
            strangers: ["theirs".to_owned()].into(),
            instances: Some(records.iter().map(record).collect()),
            pools: Some(vec![pool]),
            ..Evidence::default()
        };
        NothingLeaks.check(&evidence).verdict()
    }

    /// Without it a machine that nobody remembers could run, and cost, for ever.
    #[test]
    fn whatever_does_not_add_up_is_found() {
        let table: [(&[&str], &[&str], u32, Verdict); 5] = [
            (&["m1", "m2", "theirs"], &["m1", "m2"], 2, Held),
            (&["m1", "m2", "theirs"], &["m1"], 1, Violated),
            (&["m1", "theirs"], &["m1", "m2"], 2, Violated),
            (&["m1", "m2", "theirs"], &["m1", "m2"], 3, Violated),
            (&["m1"], &["m1"], 1, Violated),
        ];
        for (machines, records, target, expected) in table {
            assert_eq!(judged(machines, records, target), expected, "{machines:?} {records:?}");
        }
        let evidence = Evidence { machines: Some(BTreeSet::new()), ..Evidence::default() };
        assert_eq!(NothingLeaks.check(&evidence).verdict(), Unknown);
    }
}
