use std::io;

use futures::FutureExt as _;
use navarch_cluster::{ApplyFault, Image, InstallError};
use navarch_host::FakeClock;

use super::*;

/// Remembers what was applied; refuses to understand `bad`.
#[derive(Default)]
struct Register(Arc<Mutex<Vec<(u64, Bytes)>>>);

impl StateMachine for Register {
    fn apply(&mut self, index: u64, payload: &[u8]) -> Result<Bytes, ApplyFault> {
        if payload == b"bad" {
            return Err(ApplyFault::new("unknown"));
        }
        let payload = Bytes::copy_from_slice(payload);
        self.0.lock().unwrap().push((index, payload.clone()));
        Ok(payload)
    }

    fn batch_applied(&mut self, _: u64) {}

    fn image(&self) -> Box<dyn Image> {
        unreachable!("no snapshots here")
    }

    fn install(&mut self, _: u64, _: &mut dyn io::Read) -> Result<(), InstallError> {
        unreachable!("no snapshots here")
    }
}

struct Bench {
    time: Arc<FakeClock>,
    clock: Clock,
    group: LocalGroup,
    applied: Arc<Mutex<Vec<(u64, Bytes)>>>,
}

const ONE: ReplicaId = ReplicaId(1);
const TWO: ReplicaId = ReplicaId(2);

impl Bench {
    fn new() -> Self {
        let time = FakeClock::new(1_000);
        let clock = Clock::fake(Arc::clone(&time));
        let register = Register::default();
        let applied = Arc::clone(&register.0);
        let group = LocalGroup::new(Box::new(register), 2, clock.clone());
        Self { time, clock, group, applied }
    }

    fn propose(&self, id: ReplicaId, text: &'static str) -> Option<Result<Applied, ProposeError>> {
        let deadline = self.clock.now() + Duration::from_secs(1);
        self.group.replica(id).propose(Bytes::from(text), deadline).now_or_never()
    }

    fn applied(&self) -> Vec<String> {
        let applied = self.applied.lock().unwrap();
        applied.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

/// Without it two replicas could both get their proposals in, and nothing above would be fenced for real.
#[test]
fn only_the_leader_proposes() {
    let bench = Bench::new();
    assert_eq!(bench.propose(ONE, "a"), Some(Err(ProposeError::NotLeader { leader: None })));
    bench.group.elect(Some(TWO));
    assert_eq!(bench.propose(ONE, "b"), Some(Err(ProposeError::NotLeader { leader: Some(TWO) })));
    let applied = bench.propose(TWO, "c").unwrap().unwrap();
    assert_eq!((applied.index, &*applied.answer), (1, &b"c"[..]));
    assert_eq!(bench.applied(), ["c"]);
}

/// Without it a test of lost answers would test something else than it says.
#[test]
fn each_fault_does_what_it_says() {
    let unknown = || Some(Err(unknown()));
    let table = [
        (LocalFault::Refuse, Some(Err(ProposeError::Overloaded { limit: 0 })), vec!["next"]),
        (LocalFault::Lose, unknown(), vec!["next"]),
        (LocalFault::DropAnswer, unknown(), vec!["it", "next"]),
        (LocalFault::Delay, None, vec!["it", "next"]),
    ];
    for (fault, answer, applied) in table {
        let bench = Bench::new();
        bench.group.elect(Some(ONE));
        bench.group.fault([fault]);
        assert_eq!(bench.propose(ONE, "it"), answer, "{fault:?}");
        assert!(bench.propose(ONE, "next").unwrap().is_ok(), "{fault:?}");
        assert_eq!(bench.applied(), applied, "{fault:?}");
    }
}

/// Without it a leader that is cut off would learn of its successor, which a real one does not.
#[tokio::test(flavor = "current_thread")]
async fn a_replica_that_is_cut_off_neither_hears_nor_changes_anything() {
    let bench = Bench::new();
    bench.group.elect(Some(ONE));
    let old = bench.group.replica(ONE);
    bench.group.cut_off(ONE);
    bench.group.elect(Some(TWO));
    assert!(old.leadership().borrow().local);
    assert!(!old.quorum_acknowledged_within(Duration::from_secs(1)));
    let deadline = bench.clock.now() + Duration::from_secs(1);
    let proposed = tokio::spawn(async move { old.propose(Bytes::from("a"), deadline).await });
    bench.time.advance(Duration::from_secs(1)).await;
    assert_eq!(proposed.await.unwrap(), Err(unknown()));
    assert!(bench.propose(TWO, "b").unwrap().is_ok());
    bench.group.reconnect(ONE);
    let heard = *bench.group.replica(ONE).leadership().borrow();
    assert_eq!((heard.term, heard.leader, heard.local), (2, Some(TWO), false));
    assert_eq!(bench.applied(), ["b"]);
}

/// Without it a leader that cannot open its session would keep leading.
#[test]
fn leadership_is_handed_to_another() {
    let bench = Bench::new();
    bench.group.elect(Some(ONE));
    let deadline = bench.clock.now();
    let handed = bench.group.replica(ONE).hand_over(deadline).now_or_never().unwrap();
    assert_eq!((handed, bench.group.leader()), (Ok(TWO), Some(TWO)));
    bench.group.cut_off(ONE);
    let stuck = bench.group.replica(TWO).hand_over(deadline).now_or_never().unwrap();
    assert!(matches!(stuck, Err(MembershipError::BadTarget { .. })), "{stuck:?}");
}

/// Without it a state machine that met an unknown entry would go on without it.
#[test]
fn an_entry_that_is_not_understood_ends_it() {
    let bench = Bench::new();
    bench.group.elect(Some(ONE));
    for text in ["bad", "good"] {
        assert_eq!(bench.propose(ONE, text), Some(Err(ProposeError::Stopping)));
    }
    assert!(bench.applied().is_empty());
}
