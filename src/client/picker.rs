use std::sync::atomic::{AtomicUsize, Ordering};

use navarch_host::Moment;

use super::{Balance, backoff::Backoff, replica::Replica};

/// Most replicas a client keeps track of: a round's memory is one word.
pub(super) const MAX_REPLICAS: usize = 64;

/// No leader is known.
const NOBODY: usize = usize::MAX;

/// Chooses the replica to ask.
pub(super) struct Picker {
    replicas: Box<[Replica]>,
    balance: Balance,
    /// Where the next round starts, or every round of a sticky client.
    start: AtomicUsize,
    /// From one replica to the next: by chance up or down, so that the clients of a dead replica spread over
    /// both of its neighbours.
    stride: usize,
    leader: AtomicUsize,
}

/// Which replicas one pass over all of them has asked.
pub(super) struct Round {
    start: usize,
    tried: u64,
    leader_first: bool,
}

impl Picker {
    /// `chance` is any random number.
    pub(super) fn new(replicas: Box<[Replica]>, balance: Balance, chance: usize) -> Self {
        let count = replicas.len();
        let stride = if (chance / count).is_multiple_of(2) { 1 } else { count - 1 };
        Self {
            balance,
            start: AtomicUsize::new(chance % count),
            stride: stride.max(1),
            leader: AtomicUsize::new(NOBODY),
            replicas,
        }
    }

    pub(super) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Begins a call. `writes` follow the leader unless this client is sticky, `to_leader` always.
    pub(super) fn round(&self, writes: bool, to_leader: bool) -> Round {
        let start = match self.balance {
            Balance::EachCall => self.start.fetch_add(1, Ordering::Relaxed) % self.replicas.len(),
            Balance::Sticky => self.start.load(Ordering::Relaxed),
        };
        Round {
            start,
            tried: 0,
            leader_first: to_leader || (writes && self.balance == Balance::EachCall),
        }
    }

    /// The next replica to ask; `None` when the round has asked all, which begins a new one.
    pub(super) fn next(&self, round: &mut Round, now: Moment) -> Option<usize> {
        let chosen = self.choose(round, now);
        match chosen {
            Some(index) => round.tried |= 1 << index,
            None => round.tried = 0,
        }
        chosen
    }

    fn choose(&self, round: &Round, now: Moment) -> Option<usize> {
        let untried = |index: usize| round.tried & (1 << index) == 0;
        let count = self.replicas.len();
        let in_order = || {
            (0..count)
                .map(|step| (round.start + step * self.stride) % count)
                .filter(|index| untried(*index))
        };
        let leader = self.leader().filter(|leader| round.leader_first && untried(*leader));
        leader
            .into_iter()
            .chain(in_order())
            .find(|index| !self.replicas[*index].is_suspect(now))
            .or_else(|| in_order().next())
    }

    /// The pauses between the rounds of a call. Few clients may ask often, so that they meet a new leader soon;
    /// a fleet's agents together would be a storm.
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(match self.balance {
            Balance::EachCall => 4,
            Balance::Sticky => 1,
        })
    }

    /// The replica that is believed to lead.
    pub(super) fn leader(&self) -> Option<usize> {
        Some(self.leader.load(Ordering::Relaxed)).filter(|leader| *leader != NOBODY)
    }

    /// Takes a hint; a leader that is none of the client's replicas is not followed, because a token goes only
    /// where its owner said.
    pub(super) fn leader_is(&self, address: &str) {
        let known = self.leader();
        if known.is_some_and(|leader| *self.replicas[leader].address.name == *address) {
            return;
        }
        let index = self.replicas.iter().position(|replica| replica.address.matches(address));
        self.leader.store(index.unwrap_or(NOBODY), Ordering::Relaxed);
    }

    /// Notes that `index` cannot be the leader any more.
    pub(super) fn not_leader(&self, index: usize) {
        // Somebody may have learnt of a new one meanwhile: only this one is forgotten.
        let _ = self.leader.compare_exchange(index, NOBODY, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use navarch_host::{Clock, FakeClock};
    use proptest::prelude::*;

    use super::*;
    use crate::client::address::Address;

    fn picker(count: usize, balance: Balance, chance: usize, clock: &Clock) -> Picker {
        let replicas = (0..count)
            .map(|index| {
                let address = Address::parse(&format!("r{index}:1"), false).unwrap();
                Replica::new(address, 1, (clock.now(), balance.suspicion()))
            })
            .collect();
        Picker::new(replicas, balance, chance)
    }

    fn clock() -> Clock {
        Clock::fake(Arc::clone(&FakeClock::new(0)))
    }

    fn order(picker: &Picker, mut round: Round, now: Moment) -> Vec<usize> {
        std::iter::from_fn(|| picker.next(&mut round, now)).collect()
    }

    proptest! {
        /// Without it a round could skip a replica that would have answered, or ask one twice.
        #[test]
        fn a_round_asks_every_replica_once_and_suspects_last(
            count in 1_usize..=MAX_REPLICAS,
            chance: usize,
            sticky: bool,
            writes: bool,
            leader: Option<usize>,
            suspects in prop::collection::btree_set(0_usize..MAX_REPLICAS, 0..8),
        ) {
            let clock = clock();
            let balance = if sticky { Balance::Sticky } else { Balance::EachCall };
            let picker = picker(count, balance, chance, &clock);
            if let Some(leader) = leader {
                picker.leader_is(&format!("r{}:1", leader % count));
            }
            let suspects: BTreeSet<_> = suspects.into_iter().filter(|index| *index < count).collect();
            for index in &suspects {
                picker.replicas()[*index].failed(clock.now());
            }
            let order = order(&picker, picker.round(writes, false), clock.now());
            prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..count).collect());
            prop_assert_eq!(order.len(), count);
            let tail: BTreeSet<_> = order[count - suspects.len()..].iter().copied().collect();
            prop_assert_eq!(tail, suspects);
        }
    }

    /// Without it each write would be relayed through a follower.
    #[test]
    fn writes_go_to_the_leader_first_and_reads_take_turns() {
        let clock = clock();
        let picker = picker(3, Balance::EachCall, 0, &clock);
        picker.leader_is("r2:1");
        for _ in 0..4 {
            assert_eq!(order(&picker, picker.round(true, false), clock.now())[0], 2);
        }
        let firsts: Vec<_> =
            (0..3).map(|_| order(&picker, picker.round(false, false), clock.now())[0]).collect();
        assert_eq!(firsts, [1, 2, 0]);
        assert_eq!(order(&picker, picker.round(false, true), clock.now())[0], 2);
    }

    /// Without it a token would be sent wherever a replica points.
    #[test]
    fn a_leader_outside_the_list_is_not_followed() {
        let picker = picker(3, Balance::EachCall, 0, &clock());
        picker.leader_is("r1:1");
        picker.leader_is("elsewhere:1");
        assert_eq!(picker.leader(), None);
        picker.leader_is("r1:1");
        picker.not_leader(2);
        assert_eq!(picker.leader(), Some(1));
        picker.not_leader(1);
        assert_eq!(picker.leader(), None);
    }

    /// Without it a fleet's agents would all move to the same neighbour of a dead replica.
    #[test]
    fn sticky_clients_keep_their_replica_and_spread_over_the_others() {
        let clock = clock();
        let mut seconds = BTreeSet::new();
        for chance in 0..6 {
            let picker = picker(3, Balance::Sticky, chance, &clock);
            let first = order(&picker, picker.round(true, false), clock.now())[0];
            assert_eq!(first, order(&picker, picker.round(false, false), clock.now())[0]);
            picker.replicas()[first].failed(clock.now());
            let second = order(&picker, picker.round(false, false), clock.now())[0];
            seconds.insert((first, second));
        }
        assert_eq!(seconds.len(), 6);
    }
}
