//! Every fault, by name.

use std::time::Duration;

use navarch::fake_cloud::faults::FaultKind;

use super::{
    Fault, PowerLoss, Powerless, Whom,
    changed_order::ChangedOrder,
    clock::ClockJump,
    cloud::BadCloud,
    crash_point::CrashPoint,
    disk::{BadDisk, Disk},
    flipped_bit::FlippedBit,
    kill::Kill,
    membership::{MembershipChange, WipedReplica},
    partition::{Partition, Where},
    pause::PauseLeader,
    restart::{RollingRestart, TwoVersions},
    snapshots::FrequentSnapshots,
};
use crate::proc::links::Effect;

/// The fault without which a set of runs shows nothing: a leader among a minority, which others still reach.
pub const LEADER_IN_MINORITY: &str = "leader-in-minority";

/// An hour, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Every fault, in the order of the table.
pub fn all() -> Vec<Box<dyn Fault>> {
    let mut all = processes();
    all.extend(network());
    all.extend(machines());
    all.extend(cloud());
    all
}

/// The fault called `name`.
pub fn find(name: &str) -> Option<Box<dyn Fault>> {
    all().into_iter().find(|fault| fault.name() == name)
}

/// The names of all.
pub fn names() -> Vec<String> {
    all().iter().map(|fault| fault.name()).collect()
}

fn processes() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(Kill::new(Whom::Leader)),
        Box::new(Kill::new(Whom::Follower)),
        Box::new(Kill::new(Whom::Majority)),
        Box::new(Kill::new(Whom::All)),
        Box::new(PauseLeader::default()),
        Box::new(RollingRestart),
        Box::new(TwoVersions::default()),
        Box::new(WipedReplica::default()),
        Box::new(MembershipChange::default()),
        Box::new(CrashPoint::default()),
        Box::new(FrequentSnapshots::default()),
    ]
}

fn network() -> Vec<Box<dyn Fault>> {
    let slow = Effect::Delay(Duration::from_millis(60));
    let flap = Effect::Flap(Duration::from_millis(700));
    let table = [
        ("isolate-leader", Where::IsolateLeader, Effect::Stall),
        (LEADER_IN_MINORITY, Where::LeaderInMinority, Effect::Stall),
        ("bridge", Where::Bridge, Effect::Stall),
        ("one-way-leader-mute", Where::LeaderMute, Effect::Stall),
        ("one-way-leader-deaf", Where::LeaderDeaf, Effect::Stall),
        ("leader-follower", Where::LeaderFollower, Effect::Stall),
        ("clients-cut-off", Where::Clients, Effect::Stall),
        ("nodes-cut-off", Where::Nodes, Effect::Stall),
        ("cloud-cut-off", Where::Cloud, Effect::Stall),
        ("slow-network", Where::Everywhere, slow),
        ("narrow-network", Where::Replicas, Effect::Rate(256 * 1024)),
        ("flapping-network", Where::Replicas, flap),
        ("reset-connections", Where::Replicas, Effect::Reset),
        ("half-open-connections", Where::LeaderFollower, Effect::HalfOpen),
    ];
    let fault = |(name, place, effect)| Box::new(Partition::new(name, place, effect)) as _;
    table.into_iter().map(fault).collect()
}

fn machines() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(BadDisk::new(Disk::SyncError, Whom::Leader)),
        Box::new(BadDisk::new(Disk::SyncError, Whom::Follower)),
        Box::new(BadDisk::new(Disk::Full, Whom::Leader)),
        Box::new(BadDisk::new(Disk::Full, Whom::Follower)),
        Box::new(BadDisk::new(Disk::Slow, Whom::Leader)),
        Box::new(PowerLoss::torn_tail()),
        Box::new(FlippedBit::default()),
        Box::new(PowerLoss::new("power-loss-one", Powerless::One)),
        Box::new(PowerLoss::new("power-loss-two", Powerless::Two)),
        Box::new(PowerLoss::new("power-loss-all", Powerless::All)),
        Box::new(ClockJump::new("clock-forward", HOUR_MS, 0)),
        Box::new(ClockJump::new("clock-back", -HOUR_MS, 0)),
        Box::new(ClockJump::new("clock-strobe", HOUR_MS, 50)),
    ]
}

fn cloud() -> Vec<Box<dyn Fault>> {
    let ms = Duration::from_millis;
    let table = [
        (FaultKind::SuccessThenTimeout, ms(300)),
        (FaultKind::DelayedCommit, ms(700)),
        (FaultKind::RateLimited, ms(1_000)),
        (FaultKind::ErrorBefore, ms(0)),
        (FaultKind::ErrorAfter, ms(0)),
        (FaultKind::NoCapacity, ms(0)),
        (FaultKind::StaleList, ms(3_000)),
        (FaultKind::Spurious404, ms(0)),
        (FaultKind::Slow, ms(500)),
    ];
    let fault = |(kind, delay)| Box::new(BadCloud::new(kind, delay)) as Box<dyn Fault>;
    let changed: Box<dyn Fault> = Box::new(ChangedOrder::default());
    table.into_iter().map(fault).chain([changed]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Without it a scenario could name one fault and get another.
    #[test]
    fn names_are_unique_and_found() {
        let names = names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for name in &names {
            assert_eq!(find(name).unwrap().name(), *name);
        }
        assert!(names.iter().any(|name| name == LEADER_IN_MINORITY));
        assert!(find("sharks").is_none());
    }
}
