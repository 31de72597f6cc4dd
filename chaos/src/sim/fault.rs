use std::{fmt, time::Duration};

use navarch::fake_cloud::faults::FaultKind as CloudFault;
use serde::{Deserialize, Serialize};

/// What can go wrong in a simulated run, by the names that all layers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The leader's host crashes: what it had not synced is lost.
    KillLeader,
    /// So does a follower's.
    KillFollower,
    /// So do the leader's and one more.
    KillMajority,
    /// So do all.
    KillAll,
    /// Each is restarted in turn.
    RollingRestart,
    /// The leader reaches nobody, and nobody reaches it.
    IsolateLeader,
    /// The leader reaches no other replica; clients, nodes and the cloud still reach it.
    LeaderInMinority,
    /// Two replicas that reach one another only through the third.
    Bridge,
    /// What the leader sends to the others is lost, what they send to it is not.
    OneWay,
    /// The leader and one follower do not reach one another.
    LeaderFollower,
    /// Clients reach no replica.
    ClientsOnly,
    /// Nodes reach no replica.
    NodesOnly,
    /// The leader does not reach the cloud.
    CloudOnly,
    /// Every message between replicas takes long.
    SlowNetwork,
    /// The leader's links are held and released in turns: nothing is lost, much is late.
    Flapping,
    /// A replica's log cannot be synced: it must stop.
    SyncFailure,
    /// Syncs of one replica take long.
    SlowDisk,
    /// The leader's wall clock leaps an hour ahead, and back.
    ClockForward,
    /// It leaps an hour back, and ahead again.
    ClockBack,
    /// It leaps to and fro.
    ClockStrobe,
    /// The cloud has faults of every kind.
    RestlessCloud,
    /// The cloud sells nothing.
    NoCapacity,
    /// The cloud's listings are old.
    StaleList,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::KillLeader,
        Self::KillFollower,
        Self::KillMajority,
        Self::KillAll,
        Self::RollingRestart,
        Self::IsolateLeader,
        Self::LeaderInMinority,
        Self::Bridge,
        Self::OneWay,
        Self::LeaderFollower,
        Self::ClientsOnly,
        Self::NodesOnly,
        Self::CloudOnly,
        Self::SlowNetwork,
        Self::Flapping,
        Self::SyncFailure,
        Self::SlowDisk,
        Self::ClockForward,
        Self::ClockBack,
        Self::ClockStrobe,
        Self::RestlessCloud,
        Self::NoCapacity,
        Self::StaleList,
    ];

    /// Faults of the same ground do not overlap: the end of one would end the other.
    pub(super) fn ground(self) -> Ground {
        match self {
            Self::KillLeader
            | Self::KillFollower
            | Self::KillMajority
            | Self::KillAll
            | Self::RollingRestart
            | Self::SyncFailure => Ground::Hosts,
            Self::IsolateLeader
            | Self::LeaderInMinority
            | Self::Bridge
            | Self::OneWay
            | Self::LeaderFollower
            | Self::ClientsOnly
            | Self::NodesOnly
            | Self::SlowNetwork
            | Self::Flapping => Ground::Network,
            Self::SlowDisk => Ground::Disks,
            Self::ClockForward | Self::ClockBack | Self::ClockStrobe => Ground::Clocks,
            Self::CloudOnly | Self::RestlessCloud | Self::NoCapacity | Self::StaleList => {
                Ground::Cloud
            }
        }
    }

    /// What the cloud does to requests meanwhile: kind, share of requests, milliseconds.
    pub(super) fn cloud_faults(self) -> &'static [(CloudFault, f64, u64)] {
        match self {
            Self::RestlessCloud => &[
                (CloudFault::SuccessThenTimeout, 0.1, 3_000),
                (CloudFault::DelayedCommit, 0.1, 2_000),
                (CloudFault::RateLimited, 0.1, 1_000),
                (CloudFault::ErrorBefore, 0.1, 0),
                (CloudFault::ErrorAfter, 0.1, 0),
                (CloudFault::Spurious404, 0.05, 0),
                (CloudFault::Slow, 0.3, 1_500),
            ],
            Self::NoCapacity => &[(CloudFault::NoCapacity, 1.0, 0)],
            Self::StaleList => &[(CloudFault::StaleList, 0.7, 30_000)],
            _ => &[],
        }
    }

    /// Its name, as in reports.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

/// What a fault is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Hosts,
    Network,
    Disks,
    Clocks,
    Cloud,
}

/// A fault that a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When it strikes, since the start of the run.
    pub from: Duration,
    /// When it is healed.
    pub until: Duration,
}
