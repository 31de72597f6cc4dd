use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use navarch_cluster::{
    Applied, Leadership, MembershipError, ProposeError, ReadError, ReplicaId, StateMachine,
};
use navarch_host::{Clock, Moment};
use tokio::sync::watch;

use super::Agreement;

/// Agreement without Raft and without a disk: replicas of one process that share one state machine, for
/// tests, simulations and programs that embed the control plane.
///
/// Proposals are applied at once and in the order of the calls, so that whatever stands above is
/// deterministic. Nobody leads until [`LocalGroup::elect`] says so.
#[derive(Clone)]
pub struct LocalGroup {
    core: Arc<Mutex<Core>>,
    clock: Clock,
}

/// What becomes of a proposal that the leader of a [`LocalGroup`] is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalFault {
    /// It never enters the log, and its proposer is told so.
    Refuse,
    /// It never takes effect, and its proposer cannot know.
    Lose,
    /// It takes effect at once, and its proposer cannot know.
    DropAnswer,
    /// Its proposer hears nothing until the deadline; it takes effect right before the next proposal.
    Delay,
}

struct Core {
    machine: Box<dyn StateMachine>,
    last_index: u64,
    term: u64,
    leader: Option<ReplicaId>,
    /// A quorum has answered the leader.
    confirmed: bool,
    /// By replica id, from 1.
    members: Vec<Member>,
    /// What becomes of the next proposals.
    faults: VecDeque<LocalFault>,
    delayed: Vec<Bytes>,
    /// The state machine met an entry that it does not understand: nothing more is agreed on.
    failed: bool,
}

struct Member {
    leadership: watch::Sender<Leadership>,
    cut_off: bool,
}

impl LocalGroup {
    /// A group of `replicas` with ids from 1, around `machine`, which must be empty.
    pub fn new(machine: Box<dyn StateMachine>, replicas: u64, clock: Clock) -> Self {
        let member = |_| Member { leadership: watch::Sender::default(), cut_off: false };
        let core = Core {
            machine,
            last_index: 0,
            term: 0,
            leader: None,
            confirmed: true,
            members: (0..replicas).map(member).collect(),
            faults: VecDeque::new(),
            delayed: Vec::new(),
            failed: false,
        };
        Self { core: Arc::new(Mutex::new(core)), clock }
    }

    /// The replica `id`; one that the group does not have never leads.
    pub fn replica(&self, id: ReplicaId) -> Arc<dyn Agreement> {
        Arc::new(LocalReplica { id, group: self.clone() })
    }

    /// Makes `leader` lead in a new term, or nobody. Replicas that are cut off do not hear of it.
    pub fn elect(&self, leader: Option<ReplicaId>) {
        self.set_leader(leader, true);
    }

    /// The same, and no quorum answers the new leader until it is [confirmed](Self::confirm).
    pub fn elect_unconfirmed(&self, leader: ReplicaId) {
        self.set_leader(Some(leader), false);
    }

    /// Has a quorum answer the leader.
    pub fn confirm(&self) {
        let mut core = self.lock();
        core.confirmed = true;
        core.tell();
    }

    fn set_leader(&self, leader: Option<ReplicaId>, confirmed: bool) {
        let mut core = self.lock();
        core.term += 1;
        core.leader = leader;
        core.confirmed = confirmed;
        core.tell();
    }

    /// Who leads.
    pub fn leader(&self) -> Option<ReplicaId> {
        self.lock().leader
    }

    /// Cuts a replica off: what it believes stays as it is, and nothing that it proposes takes effect.
    pub fn cut_off(&self, id: ReplicaId) {
        self.set_cut_off(id, true);
    }

    /// Connects a replica again; it hears who leads.
    pub fn reconnect(&self, id: ReplicaId) {
        self.set_cut_off(id, false);
    }

    /// Has the leader's next proposals meet `faults`, one each.
    pub fn fault(&self, faults: impl IntoIterator<Item = LocalFault>) {
        self.lock().faults.extend(faults);
    }

    fn set_cut_off(&self, id: ReplicaId, cut_off: bool) {
        let mut core = self.lock();
        if let Some(member) = core.member(id) {
            member.cut_off = cut_off;
        }
        core.tell();
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn member(&mut self, id: ReplicaId) -> Option<&mut Member> {
        let place = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.members.get_mut(place)
    }

    /// Tells every replica that can hear it who leads.
    fn tell(&self) {
        for (id, member) in (1..).map(ReplicaId).zip(&self.members) {
            let leads = self.leader == Some(id);
            let (local, just_elected) = (leads && self.confirmed, leads && !self.confirmed);
            let (term, leader, cut_off) = (self.term, self.leader, false);
            let now = Leadership { term, leader, local, just_elected, cut_off };
            if !member.cut_off {
                member.leadership.send_if_modified(|seen| std::mem::replace(seen, now) != now);
            }
        }
    }

    /// What the replica `id` believes, and whether it is cut off.
    fn standing(&mut self, id: ReplicaId) -> (Leadership, bool) {
        self.member(id).map_or((Leadership::default(), true), |member| {
            (*member.leadership.borrow(), member.cut_off)
        })
    }

    fn apply(&mut self, payload: &Bytes) -> Result<Applied, ProposeError> {
        if self.failed {
            return Err(ProposeError::Stopping);
        }
        let index = self.last_index + 1;
        match self.machine.apply(index, payload) {
            Ok(answer) => {
                self.last_index = index;
                self.machine.batch_applied(index);
                Ok(Applied { index, answer })
            }
            Err(fault) => {
                tracing::error!(%fault, "the local group stops");
                self.failed = true;
                Err(ProposeError::Stopping)
            }
        }
    }

    /// Takes a proposal of `id`; none: it is answered by its deadline alone.
    fn propose(&mut self, id: ReplicaId, payload: Bytes) -> Option<Result<Applied, ProposeError>> {
        let (believed, cut_off) = self.standing(id);
        if !believed.local {
            return Some(Err(ProposeError::NotLeader { leader: believed.leader }));
        }
        if cut_off {
            return None;
        }
        for delayed in std::mem::take(&mut self.delayed) {
            // Nobody waits for its answer any more.
            let _ = self.apply(&delayed);
        }
        match self.faults.pop_front() {
            None => Some(self.apply(&payload)),
            Some(LocalFault::Refuse) => Some(Err(ProposeError::Overloaded { limit: 0 })),
            Some(LocalFault::Lose) => Some(Err(unknown())),
            Some(LocalFault::DropAnswer) => Some(self.apply(&payload).and_then(|_| Err(unknown()))),
            Some(LocalFault::Delay) => {
                self.delayed.push(payload);
                None
            }
        }
    }
}

fn unknown() -> ProposeError {
    ProposeError::Unknown { reason: "the answer was lost".to_owned() }
}

/// One replica of a [`LocalGroup`].
struct LocalReplica {
    id: ReplicaId,
    group: LocalGroup,
}

#[async_trait]
impl Agreement for LocalReplica {
    async fn propose(&self, payload: Bytes, deadline: Moment) -> Result<Applied, ProposeError> {
        let answered = self.group.lock().propose(self.id, payload);
        match answered {
            Some(answer) => answer,
            None => {
                self.group.clock.sleep_until(deadline).await;
                Err(unknown())
            }
        }
    }

    async fn read_index(&self, deadline: Moment) -> Result<u64, ReadError> {
        let read = {
            let mut core = self.group.lock();
            let (_, cut_off) = core.standing(self.id);
            (core.leader.is_some() && !cut_off).then_some(core.last_index)
        };
        match read {
            Some(index) => Ok(index),
            None => {
                self.group.clock.sleep_until(deadline).await;
                Err(ReadError::NoLeader { reason: "no leader answers".to_owned() })
            }
        }
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        let mut core = self.group.lock();
        core.member(self.id)
            .map_or_else(|| watch::Sender::default().subscribe(), |one| one.leadership.subscribe())
    }

    fn quorum_acknowledged_within(&self, _: Duration) -> bool {
        let (believed, cut_off) = self.group.lock().standing(self.id);
        believed.local && !cut_off
    }

    async fn majority_wall_clock(&self, deadline: Moment) -> Result<u64, ReadError> {
        self.read_index(deadline).await?;
        Ok(self.group.clock.wall_ms())
    }

    async fn hand_over(&self, _: Moment) -> Result<ReplicaId, MembershipError> {
        let mut core = self.group.lock();
        let (believed, cut_off) = core.standing(self.id);
        if !believed.local || cut_off {
            return Err(MembershipError::NotLeader { leader: believed.leader });
        }
        let own = self.id;
        let others = (1..).map(ReplicaId).zip(&core.members);
        let heir = others.filter(|(id, member)| *id != own && !member.cut_off).map(|(id, _)| id);
        let Some(heir) = heir.min() else {
            let reason = "no other voter answers".to_owned();
            return Err(MembershipError::BadTarget { id: own, reason });
        };
        core.term += 1;
        core.leader = Some(heir);
        core.tell();
        Ok(heir)
    }
}

#[cfg(test)]
#[path = "local_test.rs"]
mod tests;
