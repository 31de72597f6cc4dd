use std::{collections::BTreeMap, slice, time::Duration};

use turmoil::Sim;

use super::{
    cloud::Market,
    fault::{Fault, FaultKind},
    replica::{Replica, SYNC_TIME},
    trace::Trace,
};
use crate::{
    record::{FaultRecord, Injection},
    report::millis_of,
};

/// The hosts of nodes and of clients.
pub(super) const NODES: &str = "nodes";
pub(super) const CLIENTS: &str = "clients";

/// How long a message takes where nothing is wrong: 1 ms to this.
pub(super) const LATENCY: Duration = Duration::from_millis(4);
/// And at most while the network is slow.
const SLOW_LATENCY: Duration = Duration::from_millis(250);
/// Between holding a link and releasing it, while it flaps.
const FLAP: Duration = Duration::from_millis(300);
/// Between two leaps of a clock that strobes.
const STROBE: Duration = Duration::from_millis(700);
/// An hour, the leap of a clock.
const LEAP_MS: i64 = 3_600_000;
/// How long each replica stays away in a rolling restart, and a replica whose disk failed.
const AWAY: Duration = Duration::from_secs(1);
/// A sync on a slow disk.
const SLOW_SYNC: Duration = Duration::from_millis(400);

/// One thing that is done to a host, a link or a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Crash(usize),
    Restart(usize),
    /// All links work again.
    Mend,
    /// Messages of a replica are held back, or go through again.
    Hold(usize, bool),
    /// A replica's wall clock is wrong by so much.
    Wall(usize, i64),
    SyncTime(usize, Duration),
    RefuseSyncs(usize, bool),
    /// The cloud has no faults any more, and all reach it.
    ClearCloud,
}

/// The simulated machines, and what happens to them.
pub(super) struct Stage<'a> {
    pub(super) sim: Sim<'a>,
    replicas: Vec<Replica>,
    market: Market,
    trace: Trace,
    /// What is to be done when; the number keeps the order of what is done at once.
    agenda: BTreeMap<(Duration, usize), Act>,
    acts: usize,
    records: Vec<FaultRecord>,
    violations: Vec<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(sim: Sim<'a>, replicas: Vec<Replica>, market: Market, trace: Trace) -> Self {
        Self {
            sim,
            replicas,
            market,
            trace,
            agenda: BTreeMap::new(),
            acts: 0,
            records: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// One tick: what is due is done, replicas that must not live on crash, and everybody runs.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let now = self.sim.elapsed();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let act = entry.remove();
            self.carry_out(act);
        }
        self.look_after_replicas(now);
        self.sim.step().map(drop).map_err(|error| error.to_string())
    }

    /// A replica that met a fault it must not survive goes down, and comes back with a disk that works. One that stopped
    /// for another reason has no business to.
    fn look_after_replicas(&mut self, now: Duration) {
        for index in 0..self.replicas.len() {
            let replica = &self.replicas[index];
            if replica.take_died() {
                self.carry_out(Act::Crash(index));
                self.carry_out(Act::RefuseSyncs(index, false));
                self.plan(now + AWAY, Act::Restart(index));
            } else if let Some(stopped) = replica.take_stopped() {
                self.violations.push(format!("{} stopped by itself: {stopped}", replica.name));
                self.plan(now + AWAY, Act::Restart(index));
            }
        }
    }

    /// Has a fault strike.
    pub(super) fn strike(&mut self, fault: &Fault) {
        let now = self.sim.elapsed();
        let record = |targets: Vec<String>, injection, why: &str| FaultRecord {
            fault: fault.kind.name(),
            targets,
            from_ms: millis_of(now),
            until_ms: Some(millis_of(fault.until)),
            injection,
            why: why.to_owned(),
        };
        let Some(leader) = self.replicas.iter().position(Replica::leads) else {
            self.trace
                .tell_at(now, format_args!("{}: nobody leads, so it is left out", fault.kind));
            self.records.push(record(Vec::new(), Injection::Skipped, "nobody led at that moment"));
            return;
        };
        let targets = self.inject(fault, leader);
        self.trace.tell_at(now, format_args!("{} strikes {targets:?}", fault.kind));
        self.records.push(record(targets, Injection::Injected, ""));
    }

    fn inject(&mut self, fault: &Fault, leader: usize) -> Vec<String> {
        let count = self.replicas.len();
        let follower = (leader + 1) % count;
        match fault.kind {
            FaultKind::KillLeader => self.crash(&[leader], fault),
            FaultKind::KillFollower => self.crash(&[follower], fault),
            FaultKind::KillMajority => {
                let victims: Vec<_> = (0..=count / 2).map(|step| (leader + step) % count).collect();
                self.crash(&victims, fault)
            }
            FaultKind::KillAll => self.crash(&(0..count).collect::<Vec<_>>(), fault),
            FaultKind::RollingRestart => self.restart_in_turn(fault.from),
            FaultKind::SyncFailure => {
                self.carry_out(Act::RefuseSyncs(leader, true));
                // A replica that had nothing to sync meanwhile lives on.
                self.plan(fault.until, Act::RefuseSyncs(leader, false));
                vec![self.name(leader)]
            }
            FaultKind::SlowDisk => {
                self.carry_out(Act::SyncTime(leader, SLOW_SYNC));
                self.plan(fault.until, Act::SyncTime(leader, SYNC_TIME));
                vec![self.name(leader)]
            }
            FaultKind::ClockForward | FaultKind::ClockBack | FaultKind::ClockStrobe => {
                self.shift_clock(fault, leader);
                vec![self.name(leader)]
            }
            FaultKind::CloudOnly
            | FaultKind::RestlessCloud
            | FaultKind::NoCapacity
            | FaultKind::StaleList => {
                self.market.set_weather(fault.kind.cloud_faults().to_vec());
                self.market.cut_off(leader, fault.kind == FaultKind::CloudOnly);
                self.plan(fault.until, Act::ClearCloud);
                vec!["cloud".to_owned(), self.name(leader)]
            }
            FaultKind::IsolateLeader
            | FaultKind::LeaderInMinority
            | FaultKind::Bridge
            | FaultKind::OneWay
            | FaultKind::LeaderFollower
            | FaultKind::ClientsOnly
            | FaultKind::NodesOnly
            | FaultKind::SlowNetwork
            | FaultKind::Flapping => self.cut(fault, leader),
        }
    }

    fn crash(&mut self, victims: &[usize], fault: &Fault) -> Vec<String> {
        for &victim in victims {
            self.carry_out(Act::Crash(victim));
            self.plan(fault.until, Act::Restart(victim));
        }
        victims.iter().map(|&victim| self.name(victim)).collect()
    }

    fn restart_in_turn(&mut self, from: Duration) -> Vec<String> {
        let mut at = from;
        for index in 0..self.replicas.len() {
            self.plan(at, Act::Crash(index));
            self.plan(at + AWAY, Act::Restart(index));
            at += AWAY * 3;
        }
        self.replicas.iter().map(|replica| replica.name.clone()).collect()
    }

    fn shift_clock(&mut self, fault: &Fault, leader: usize) {
        match fault.kind {
            FaultKind::ClockForward => self.carry_out(Act::Wall(leader, LEAP_MS)),
            FaultKind::ClockBack => self.carry_out(Act::Wall(leader, -LEAP_MS)),
            _ => {
                let mut at = fault.from;
                let mut ahead = true;
                while at < fault.until {
                    self.plan(at, Act::Wall(leader, if ahead { LEAP_MS } else { -LEAP_MS }));
                    ahead = !ahead;
                    at += STROBE;
                }
            }
        }
        self.plan(fault.until, Act::Wall(leader, 0));
    }

    fn cut(&mut self, fault: &Fault, leader: usize) -> Vec<String> {
        let count = self.replicas.len();
        let leads = self.name(leader);
        let others: Vec<String> =
            (0..count).filter(|&index| index != leader).map(|index| self.name(index)).collect();
        let all: Vec<String> = self.replicas.iter().map(|replica| replica.name.clone()).collect();
        self.plan(fault.until, Act::Mend);
        match fault.kind {
            FaultKind::IsolateLeader => {
                self.part(slice::from_ref(&leads), &others);
                self.part(slice::from_ref(&leads), &[NODES.to_owned(), CLIENTS.to_owned()]);
            }
            FaultKind::LeaderInMinority => self.part(slice::from_ref(&leads), &others),
            FaultKind::Bridge => self.part(&others[..1], &others[1..]),
            FaultKind::OneWay => {
                for other in &others {
                    self.sim.partition_oneway(leads.as_str(), other.as_str());
                }
            }
            FaultKind::LeaderFollower => self.part(slice::from_ref(&leads), &others[..1]),
            FaultKind::ClientsOnly => self.part(&all, &[CLIENTS.to_owned()]),
            FaultKind::NodesOnly => self.part(&all, &[NODES.to_owned()]),
            FaultKind::SlowNetwork => self.set_latency(SLOW_LATENCY),
            _ => {
                let mut at = fault.from;
                let mut held = true;
                while at < fault.until {
                    self.plan(at, Act::Hold(leader, held));
                    held = !held;
                    at += FLAP;
                }
            }
        }
        vec![leads]
    }

    fn part(&mut self, ones: &[String], others: &[String]) {
        for one in ones {
            for other in others {
                self.sim.partition(one.as_str(), other.as_str());
            }
        }
    }

    fn set_latency(&mut self, most: Duration) {
        let names: Vec<_> = self.replicas.iter().map(|replica| replica.name.clone()).collect();
        for (number, one) in names.iter().enumerate() {
            for other in &names[number + 1..] {
                self.sim.set_link_max_message_latency(one.as_str(), other.as_str(), most);
            }
        }
    }

    fn plan(&mut self, at: Duration, act: Act) {
        self.acts += 1;
        self.agenda.insert((at, self.acts), act);
    }

    fn carry_out(&mut self, act: Act) {
        let now = self.sim.elapsed();
        match act {
            Act::Crash(index) => {
                self.trace.tell_at(now, format_args!("{} crashes", self.name(index)));
                self.sim.crash(self.name(index).as_str());
                self.replicas[index].crashed();
            }
            Act::Restart(index) => {
                self.trace.tell_at(now, format_args!("{} starts again", self.name(index)));
                self.sim.bounce(self.name(index).as_str());
            }
            Act::Mend => self.mend(),
            Act::Hold(index, held) => self.hold(index, held),
            Act::Wall(index, wrong_by_ms) => self.replicas[index].set_wall_ms(wrong_by_ms),
            Act::SyncTime(index, time) => self.replicas[index].disk().set_sync_time(time),
            Act::RefuseSyncs(index, refuses) => {
                let kind = refuses.then_some(std::io::ErrorKind::Other);
                self.replicas[index].disk().refuse_syncs(kind);
            }
            Act::ClearCloud => {
                self.market.set_weather(Vec::new());
                (0..self.replicas.len()).for_each(|index| self.market.cut_off(index, false));
            }
        }
    }

    fn hold(&mut self, index: usize, held: bool) {
        let name = self.name(index);
        for other in self.replicas.iter().filter(|other| other.index != index) {
            match held {
                true => self.sim.hold(name.as_str(), other.name.as_str()),
                false => self.sim.release(name.as_str(), other.name.as_str()),
            }
        }
    }

    fn mend(&mut self) {
        let now = self.sim.elapsed();
        self.trace.tell_at(now, format_args!("all links are mended"));
        let mut names: Vec<_> = self.replicas.iter().map(|replica| replica.name.clone()).collect();
        names.extend([NODES.to_owned(), CLIENTS.to_owned()]);
        for (number, one) in names.iter().enumerate() {
            for other in &names[number + 1..] {
                self.sim.release(one.as_str(), other.as_str());
                self.sim.repair(one.as_str(), other.as_str());
            }
        }
        self.set_latency(LATENCY);
    }

    /// Has all that was planned to heal heal now.
    pub(super) fn heal_all(&mut self) {
        for act in std::mem::take(&mut self.agenda).into_values() {
            self.carry_out(act);
        }
        (0..self.replicas.len()).for_each(|index| self.carry_out(Act::Wall(index, 0)));
        self.mend();
        self.carry_out(Act::ClearCloud);
    }

    fn name(&self, index: usize) -> String {
        self.replicas[index].name.clone()
    }

    /// The faults so far, and what replicas did that they must not.
    pub(super) fn into_findings(self) -> (Vec<FaultRecord>, Vec<String>) {
        (self.records, self.violations)
    }
}
