use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, elected_since};
use crate::{
    error::ChaosError,
    proc::links::{Effect, Party, Rule, RuleId, Touch, between, both_ways},
};

/// Where nothing gets through any more, or badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Between the leader and everybody else, clients, nodes and cloud too.
    IsolateLeader,
    /// Between a minority with the leader and the other replicas; clients, nodes and cloud reach both sides.
    LeaderInMinority,
    /// Between replicas, but each still sees a majority: of fewer than five, all see only one that is drawn by chance;
    /// of more, each sees its neighbours in a ring.
    Bridge,
    /// From the leader to the other replicas; they reach it.
    LeaderMute,
    /// From the other replicas to the leader; it reaches them.
    LeaderDeaf,
    /// Between the leader and one follower.
    LeaderFollower,
    /// Between clients and all replicas.
    Clients,
    /// Between nodes and all replicas.
    Nodes,
    /// Between all replicas and the cloud.
    Cloud,
    /// Between all replicas.
    Replicas,
    /// Everywhere.
    Everywhere,
}

impl Where {
    fn needs_cloud(self) -> bool {
        matches!(self, Self::Nodes | Self::Cloud)
    }

    /// Whether a leader is cut off from the majority, so that there must be another.
    fn deposes(self) -> bool {
        matches!(self, Self::IsolateLeader | Self::LeaderInMinority)
    }

    fn roads(self, leader: usize, others: &[usize]) -> BTreeSet<(Party, Party)> {
        let count = others.len() + 1;
        let one = [Party::Replica(leader)];
        let rest = Stage::parties(others);
        let all: Vec<_> = one.iter().chain(&rest).copied().collect();
        let outside = [Party::Clients, Party::Nodes, Party::Cloud];
        match self {
            Self::IsolateLeader => {
                let everybody: Vec<_> = rest.iter().chain(&outside).copied().collect();
                both_ways(&one, &everybody)
            }
            Self::LeaderInMinority => {
                // The leader is one of the minority.
                let further = ((count - 1) / 2).saturating_sub(1);
                let (with, against) = rest.split_at(further);
                let minority: Vec<_> = one.iter().chain(with).copied().collect();
                both_ways(&minority, against)
            }
            Self::Bridge if count < 5 => {
                // The leader may itself be the bridge, or at one end of it.
                let mut ends: Vec<_> = all.clone();
                ends.sort_unstable();
                let bridge = rest.last().copied().unwrap_or(Party::Replica(leader));
                ends.retain(|party| *party != bridge);
                both_ways(&ends, &ends)
            }
            Self::Bridge => ring(&all),
            Self::LeaderMute => between(&one, &rest),
            Self::LeaderDeaf => between(&rest, &one),
            Self::LeaderFollower => both_ways(&one, rest.get(..1).unwrap_or(&[])),
            Self::Clients => both_ways(&[Party::Clients], &all),
            Self::Nodes => both_ways(&[Party::Nodes], &all),
            Self::Cloud => both_ways(&[Party::Cloud], &all),
            Self::Replicas => both_ways(&all, &all),
            Self::Everywhere => {
                let everybody: Vec<_> = all.iter().chain(&outside).copied().collect();
                both_ways(&everybody, &everybody)
            }
        }
    }
}

/// All roads but those between neighbours, so many to each side that each sees a majority.
fn ring(all: &[Party]) -> BTreeSet<(Party, Party)> {
    let reach = (all.len() / 2).div_ceil(2);
    let mut cut = BTreeSet::new();
    for (at, &from) in all.iter().enumerate() {
        for (to_at, &to) in all.iter().enumerate() {
            let apart = at.abs_diff(to_at);
            if apart.min(all.len() - apart) > reach {
                cut.insert((from, to));
            }
        }
    }
    cut
}

/// A rule of the network is in force for a while.
pub(super) struct Partition {
    name: &'static str,
    place: Where,
    effect: Effect,
    begun: Option<(RuleId, Touch, usize, u64)>,
}

impl Partition {
    /// `effect` on all roads of `place`.
    pub(super) fn new(name: &'static str, place: Where, effect: Effect) -> Self {
        Self { name, place, effect, begun: None }
    }
}

#[async_trait(?Send)]
impl Fault for Partition {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        if self.place.needs_cloud() && !stage.has_cloud {
            return Ok(Begun::Skipped("there is no cloud in this scenario".to_owned()));
        }
        let (leader, mut others) = stage.leader_and_others().await?;
        others.truncate(stage.group.len() - 1);
        let term = stage.group.standing(leader).await.map_or(0, |standing| standing.term);
        let roads = self.place.roads(leader, &others);
        let Some(links) = stage.group.links() else {
            return Ok(Begun::Skipped("the group was started without proxies".to_owned()));
        };
        let targets = roads.iter().map(|(from, to)| format!("{from}>{to}")).collect();
        let (id, touch) = links.add(Rule { roads, effect: self.effect });
        self.begun = Some((id, touch, leader, term));
        Ok(Begun::Struck(targets))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some((id, touch, leader, term)) = self.begun.take() else {
            return Ok(Seen::No("a rule in force".to_owned()));
        };
        let deposed = !self.place.deposes() || elected_since(stage, &[leader], term).await;
        if let Some(links) = stage.group.links() {
            links.remove(id);
        }
        if touch.count() == 0 {
            return Ok(Seen::No("bytes or connections that met the rule".to_owned()));
        }
        Ok(Seen::when(deposed, "another leader, on the side of the majority"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(place: Where, leader: usize, others: &[usize]) -> Vec<String> {
        let roads = place.roads(leader, others);
        roads.iter().map(|(from, to)| format!("{from}>{to}")).collect()
    }

    /// Without it a partition could cut what it should leave, and its name would be a lie.
    #[test]
    fn partitions_cut_what_they_name() {
        assert_eq!(cut(Where::LeaderInMinority, 1, &[2, 0]), ["r1>r2", "r2>r1", "r2>r3", "r3>r2"]);
        assert_eq!(cut(Where::LeaderFollower, 1, &[2, 0]), ["r2>r3", "r3>r2"]);
        assert_eq!(cut(Where::LeaderMute, 0, &[1, 2]), ["r1>r2", "r1>r3"]);
        assert_eq!(cut(Where::LeaderDeaf, 0, &[1, 2]), ["r2>r1", "r3>r1"]);
        assert_eq!(cut(Where::Bridge, 0, &[1, 2]), ["r1>r2", "r2>r1"]);
        assert_eq!(cut(Where::Cloud, 0, &[1]), ["r1>cloud", "r2>cloud", "cloud>r1", "cloud>r2"]);
        assert_eq!(cut(Where::IsolateLeader, 0, &[1, 2]).len(), 10);
        let five = cut(Where::LeaderInMinority, 0, &[1, 2, 3, 4]);
        assert_eq!(five.len(), 12, "two of five against three: {five:?}");
    }

    /// Without it a ring could leave somebody without a majority, which is another fault.
    #[test]
    fn each_of_a_ring_sees_a_majority() {
        for count in [5, 7, 9] {
            let all: Vec<_> = (0..count).map(Party::Replica).collect();
            let cut = ring(&all);
            for &one in &all {
                let sees = all.iter().filter(|&&other| !cut.contains(&(one, other))).count();
                assert!(sees > count / 2 && sees < count, "{sees} of {count}");
            }
        }
    }
}
