use std::sync::Mutex;

use async_trait::async_trait;
use navarch_fleet::FleetState;
use navarch_host::{Clock, Moment, SystemSpawner};
use navarch_proto::fleet::{BeginAdoption, EndAdoption, OpenSession, proposal::Kind};

use super::*;
use crate::ledger::{
    Author, LocalFault,
    testing::{TestGroup, propose},
};

/// What a pass of the test's controller does.
#[derive(Clone, Copy, PartialEq)]
enum Deed {
    Nothing,
    /// Proposes something that never makes an event.
    Propose,
    /// Panics.
    Panic,
    /// Takes this long.
    Take(Duration),
}

struct Scripted {
    clock: Clock,
    period: Duration,
    deed: Deed,
    passes: Arc<Mutex<Vec<Moment>>>,
    wakes: bool,
}

#[async_trait]
impl Controller for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        self.period
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        if self.wakes { &["session-opened"] } else { &[] }
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        self.passes.lock().unwrap().push(self.clock.now());
        let mut report = Report::default();
        match self.deed {
            Deed::Nothing => {}
            Deed::Propose => {
                let expire = Kind::ExpireCommands(navarch_proto::fleet::ExpireCommands {});
                let _ = report.proposed(tenure.propose(expire).await);
            }
            Deed::Panic => panic!("a bug"),
            Deed::Take(long) => self.clock.sleep(long).await,
        }
        report
    }
}

struct Bench {
    group: TestGroup,
    tenure: Tenure,
    reports: Reports,
    passes: Arc<Mutex<Vec<Moment>>>,
}

impl Bench {
    fn new() -> Self {
        let group = TestGroup::new();
        let (ledger, session) = group.leading(1);
        let tenure = Tenure::new(session, ledger, Duration::from_millis(300));
        Self { group, tenure, reports: Reports::default(), passes: Arc::default() }
    }

    fn start(&self, period: Duration, deed: Deed, wakes: bool) -> Driver {
        let (clock, passes) = (self.group.clock.clone(), Arc::clone(&self.passes));
        let scripted = Scripted { clock, period, deed, passes, wakes };
        let spawner = SystemSpawner::current();
        Driver::start(vec![Box::new(scripted)], &self.tenure, &self.reports, &spawner)
    }

    /// Milliseconds from the first pass to each of them.
    fn passes_ms(&self) -> Vec<u128> {
        let passes = self.passes.lock().unwrap();
        passes.iter().map(|at| at.since(passes[0]).as_millis()).collect()
    }

    /// Makes an event, as the session's controller or as somebody else.
    fn event(&self, author: &Author) {
        // Opening a session is the shortest way to an event; the driver does not look at sessions.
        let open = OpenSession { replica: "r".to_owned(), ..OpenSession::default() };
        propose(self.tenure.ledger(), Kind::OpenSession(open), author).unwrap();
    }
}

/// Without it periods would drift by the length of each pass, or a slow pass would be followed at once.
#[tokio::test(flavor = "current_thread")]
async fn periods_count_from_the_start_of_a_pass() {
    let table = [
        (1_000, Deed::Nothing, vec![0, 1_000, 2_000, 3_000]),
        (1_000, Deed::Take(Duration::from_millis(400)), vec![0, 1_000, 2_000, 3_000]),
        (1_000, Deed::Take(Duration::from_millis(1_400)), vec![0, 1_500, 3_000]),
        (0, Deed::Take(Duration::from_millis(900)), vec![0, 1_000, 2_000, 3_000]),
    ];
    for (period_ms, deed, expected) in table {
        let bench = Bench::new();
        bench.start(Duration::from_millis(period_ms), deed, false);
        bench.group.advance(3).await;
        assert_eq!(bench.passes_ms(), expected, "{period_ms}");
    }
}

/// Without it one event would wait for the next period, or a burst of events would cost a pass each.
#[tokio::test(flavor = "current_thread")]
async fn events_wake_and_bursts_rest() {
    let bench = Bench::new();
    bench.start(Duration::from_secs(60), Deed::Nothing, true);
    bench.group.advance(10).await;
    let operator = Author::caller("operator");
    bench.event(&operator);
    bench.group.advance(10).await;
    assert_eq!(bench.passes_ms(), [0, 10_000]);
    // An event every 10 ms, for 10 s.
    for _ in 0..1_000 {
        bench.event(&operator);
        bench.group.time.advance(Duration::from_millis(10)).await;
    }
    let passes = bench.passes_ms().len();
    assert!((6..=12).contains(&passes), "{passes} passes");
}

/// Without it a controller whose own changes are among those that wake it would never rest.
#[tokio::test(flavor = "current_thread")]
async fn its_own_events_do_not_wake_it() {
    let bench = Bench::new();
    bench.start(Duration::from_secs(60), Deed::Nothing, true);
    bench.group.advance(1).await;
    bench.event(&Author { actor: "controller:scripted".to_owned(), ..Author::default() });
    bench.group.advance(10).await;
    assert_eq!(bench.passes_ms(), [0]);
    bench.event(&Author { actor: "controller:other".to_owned(), ..Author::default() });
    bench.group.advance(10).await;
    assert_eq!(bench.passes_ms(), [0, 11_000]);
}

/// Without it a bug in one controller would end it for the whole session, without a word.
#[tokio::test(flavor = "current_thread")]
async fn a_panic_is_a_failed_pass() {
    let bench = Bench::new();
    bench.start(Duration::from_secs(1), Deed::Panic, false);
    bench.group.advance(2).await;
    assert_eq!(bench.passes_ms(), [0, 1_000, 2_000]);
    let report = &bench.reports.all()[0];
    assert_eq!((report.failed, report.last_error.as_str()), (1, "panicked: a bug"));
}

/// Without it a restored fleet would be worked on before anybody has looked, or not at once afterwards.
#[tokio::test(flavor = "current_thread")]
async fn a_restored_fleet_stands_still_until_it_is_released() {
    let bench = Bench::new();
    let operator = Author::caller("operator");
    let begin = BeginAdoption { machine_tag: "c".to_owned(), ..BeginAdoption::default() };
    propose(bench.tenure.ledger(), Kind::BeginAdoption(begin), &operator).unwrap();
    bench.start(Duration::from_secs(60), Deed::Nothing, true);
    bench.event(&operator);
    bench.group.advance(30).await;
    assert!(bench.passes.lock().unwrap().is_empty());
    assert!(bench.reports.all()[0].summary.contains("stands still"), "{:?}", bench.reports.all());
    propose(bench.tenure.ledger(), Kind::EndAdoption(EndAdoption {}), &operator).unwrap();
    bench.group.advance(1).await;
    assert_eq!(bench.passes_ms(), [0]);
}

/// Without it a pass would plan while an earlier proposal may still take effect, and decide the same twice.
#[tokio::test(flavor = "current_thread")]
async fn a_step_in_doubt_is_settled_before_the_next_pass() {
    let bench = Bench::new();
    bench.group.group.fault([LocalFault::Lose, LocalFault::Lose, LocalFault::Refuse]);
    bench.start(Duration::from_secs(1), Deed::Propose, false);
    bench.group.advance(0).await;
    assert_eq!(bench.passes_ms(), [0]);
    bench.group.advance(2).await;
    assert_eq!(bench.passes_ms(), [0], "the barrier is in doubt itself, then refused");
    assert!(bench.reports.all()[0].last_error.starts_with("an earlier step is still in doubt"));
    bench.group.advance(1).await;
    assert_eq!(bench.passes_ms(), [0, 3_000]);
    bench.group.advance(1).await;
    assert_eq!(bench.passes_ms(), [0, 3_000, 4_000]);
}

/// Without it the end of a session would wait for whatever a controller waits for.
#[tokio::test(flavor = "current_thread")]
async fn the_end_of_a_session_ends_a_pass_in_the_middle() {
    let bench = Bench::new();
    let driver = bench.start(Duration::from_secs(1), Deed::Take(Duration::from_secs(3_600)), false);
    bench.group.advance(1).await;
    bench.tenure.end();
    driver.join().await;
    assert!(bench.reports.all().is_empty());
}

/// Without it a look at a record that has just moved would show as a failure.
#[test]
fn a_stale_step_is_no_failure() {
    use navarch_proto::fleet::{Rejection, RejectionCode};

    use crate::ledger::ProposeError;

    let rejected = |code: RejectionCode| {
        let rejection = Rejection { code: code.into(), message: "m".to_owned() };
        Err(ProposeError::Rejected { index: 1, rejection })
    };
    let reason = || "m".to_owned();
    let table = [
        (rejected(RejectionCode::Stale), false, 0),
        (rejected(RejectionCode::Precondition), false, 1),
        (rejected(RejectionCode::Fenced), true, 1),
        (Err(ProposeError::TooLarge { reason: reason() }), false, 1),
        (Err(ProposeError::NotProposed { reason: reason() }), true, 1),
        (Err(ProposeError::Unknown { reason: reason() }), true, 1),
    ];
    for (outcome, breaks, failed) in table {
        let mut report = Report::default();
        let described = format!("{outcome:?}");
        let next = report.proposed(outcome);
        assert_eq!((next.is_break(), report.failed), (breaks, failed), "{described}");
    }
}
