use std::sync::Mutex;

use async_trait::async_trait;
use navarch_cluster::ReplicaId;
use navarch_fleet::FleetState;
use navarch_host::{Clock, SystemSpawner};

use super::*;
use crate::{
    leader::Report,
    ledger::{
        LocalFault,
        testing::{START_MS, TestGroup},
    },
};

/// (replica, session) of every pass.
type Passes = Arc<Mutex<Vec<(u64, u64)>>>;

/// Notes each pass.
struct Witness {
    replica: u64,
    passes: Passes,
}

#[async_trait]
impl Controller for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        Duration::from_secs(1)
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        self.passes.lock().unwrap().push((self.replica, tenure.session()));
        Report::default()
    }
}

struct Replica {
    ledger: Ledger,
    liveness: Arc<Liveness>,
    reports: Reports,
}

struct Bench {
    group: TestGroup,
    passes: Passes,
    replicas: Vec<Replica>,
    stop: CancellationToken,
}

impl Bench {
    /// Two replicas with their leaders, none elected.
    fn start() -> Self {
        let (group, passes, stop) = (TestGroup::new(), Passes::default(), CancellationToken::new());
        let replicas = [1, 2].map(|id| {
            let ledger = group.ledger(id);
            let (liveness, reports) = (Arc::<Liveness>::default(), Reports::default());
            let noted = Arc::clone(&passes);
            let parts = LeaderParts {
                ledger: ledger.clone(),
                liveness: Arc::clone(&liveness),
                controllers: Arc::new(move || {
                    let passes = Arc::clone(&noted);
                    vec![Box::new(Witness { replica: id, passes }) as Box<dyn Controller>]
                }),
                reports: reports.clone(),
                spawner: SystemSpawner::current(),
                name: format!("r{id}"),
                half_lease: Duration::from_millis(300),
            };
            tokio::spawn(Leader::new(parts, "boot".to_owned()).run(stop.clone()));
            Replica { ledger, liveness, reports }
        });
        Self { group, passes, replicas: replicas.into(), stop }
    }

    fn standing(&self, id: usize) -> Standing {
        self.replicas[id - 1].ledger.standing()
    }

    fn take_passes(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.passes.lock().unwrap())
    }

    fn session(&self) -> u64 {
        self.replicas[0].ledger.view().fleet.session().id.0
    }
}

/// Without it controllers of two leaders would run side by side, or none after a failover.
#[tokio::test(flavor = "current_thread")]
async fn controllers_live_and_die_with_their_session() {
    let bench = Bench::start();
    bench.group.advance(1).await;
    assert_eq!((bench.standing(1), bench.take_passes()), (Standing::Following, vec![]));
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(2).await;
    let first = bench.session();
    assert_eq!(bench.standing(1), Standing::Leading { session: first });
    assert_eq!(bench.take_passes(), [(1, first); 3]);
    assert_eq!(bench.replicas[0].reports.all().len(), 1);
    assert_eq!(bench.replicas[0].liveness.session_opened_ms(), START_MS + 1_000);
    bench.group.group.elect(Some(ReplicaId(2)));
    bench.group.advance(2).await;
    let second = bench.session();
    assert!(second > first);
    assert_eq!(bench.standing(1), Standing::Following);
    assert_eq!(bench.take_passes(), [(2, second); 3]);
    assert!(bench.replicas[0].reports.all().is_empty());
    bench.stop.cancel();
    bench.group.advance(2).await;
    assert_eq!(bench.standing(2), Standing::Following);
    assert_eq!(bench.take_passes(), []);
}

/// Without it a leader that no quorum has answered yet would act, give its leadership away for want of answers, or go on from
/// a time that was told long ago.
#[tokio::test(flavor = "current_thread")]
async fn a_session_opens_once_a_quorum_has_answered() {
    let bench = Bench::start();
    bench.group.group.elect_unconfirmed(ReplicaId(1));
    bench.group.advance(30).await;
    assert_eq!((bench.standing(1), bench.take_passes()), (Standing::Opening, vec![]));
    assert_eq!(bench.group.group.leader(), Some(ReplicaId(1)), "it has handed nothing over");
    bench.group.group.confirm();
    bench.group.advance(1).await;
    assert_eq!(bench.standing(1), Standing::Leading { session: bench.session() });
    assert_eq!(bench.replicas[0].liveness.session_opened_ms(), START_MS + 30_000);
    bench.group.group.elect_unconfirmed(ReplicaId(2));
    bench.group.advance(1).await;
    assert_eq!((bench.standing(1), bench.standing(2)), (Standing::Following, Standing::Opening));
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(1).await;
    assert_eq!(bench.standing(2), Standing::Following);
}

/// Without it a leader that lost and won an election between two looks would be fenced for ever: its
/// controllers would propose under a session that is over, and nothing would notice.
#[tokio::test(flavor = "current_thread")]
async fn a_tenure_that_was_interrupted_unseen_ends() {
    let bench = Bench::start();
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(1).await;
    let first = bench.session();
    bench.group.group.elect(Some(ReplicaId(2)));
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(1).await;
    assert!(bench.session() > first);
    assert_eq!(bench.standing(1), Standing::Leading { session: bench.session() });
}

/// Without it the same could happen within one term, which two leaders can bear one after the other.
#[tokio::test(flavor = "current_thread")]
async fn a_session_that_another_superseded_ends() {
    let bench = Bench::start();
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(1).await;
    let open = OpenSession { replica: "other".to_owned(), ..OpenSession::default() };
    let ledger = &bench.replicas[0].ledger;
    let author = Author::caller("replica:other");
    let deadline = ledger.clock().now() + OPEN_TIMEOUT;
    let other = ledger.propose(Kind::OpenSession(open), &author, deadline).await.unwrap();
    bench.take_passes();
    bench.group.advance(1).await;
    assert!(bench.session() > other.accepted.session, "it opened one of its own again");
    assert!(bench.take_passes().iter().all(|&(_, session)| session == bench.session()));
}

/// Without it a leader that cannot commit would hold the fleet up, or spin.
#[tokio::test(flavor = "current_thread")]
async fn a_leader_that_cannot_open_its_session_hands_over() {
    let bench = Bench::start();
    bench.group.group.fault([LocalFault::Refuse, LocalFault::Lose, LocalFault::Lose]);
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(2).await;
    assert_eq!(bench.group.group.leader(), Some(ReplicaId(2)));
    assert_eq!(bench.standing(2), Standing::Leading { session: bench.session() });
    assert_eq!(bench.standing(1), Standing::Following);
}

/// Without it an attempt whose answer was lost would leave a session open that nobody serves.
#[tokio::test(flavor = "current_thread")]
async fn a_lost_answer_opens_a_second_session() {
    let bench = Bench::start();
    bench.group.group.fault([LocalFault::DropAnswer]);
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(2).await;
    assert_eq!(bench.standing(1), Standing::Leading { session: bench.session() });
    assert_eq!(bench.session(), 2);
}

/// Without it a leader that is cut off, which nobody tells, would go on giving machines back.
#[tokio::test(flavor = "current_thread")]
async fn a_leader_without_a_quorum_touches_nothing_outside_the_log() {
    let group = TestGroup::new();
    let (ledger, session) = group.leading(1);
    let tenure = Tenure::new(session, ledger, Duration::from_millis(300));
    assert_eq!(tenure.confirm(), Ok(()));
    group.group.cut_off(ReplicaId(1));
    assert!(tenure.confirm().is_err());
    group.group.reconnect(ReplicaId(1));
    assert_eq!(tenure.confirm(), Ok(()));
    tenure.end();
    assert!(tenure.confirm().is_err());
}

/// Without it deadlines would move with every change of leader, or by the jump of one wall clock.
#[tokio::test(flavor = "current_thread")]
async fn log_time_goes_on_over_a_failover() {
    let bench = Bench::start();
    bench.group.group.elect(Some(ReplicaId(1)));
    bench.group.advance(100).await;
    bench.group.group.elect(None);
    bench.group.advance(3).await;
    bench.group.group.elect(Some(ReplicaId(2)));
    bench.group.advance(1).await;
    let clock: &Clock = &bench.group.clock;
    assert_eq!(bench.replicas[1].ledger.log_time_ms(), clock.wall_ms());
    assert_eq!(bench.replicas[1].liveness.session_opened_ms(), START_MS + 103_000);
}
