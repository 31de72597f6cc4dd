use async_trait::async_trait;
use futures::FutureExt as _;
use navarch_fleet::FleetState;
use navarch_host::FakeClock;
use navarch_proto::fleet::PoolMetricsSpec;

use super::*;

const NOW_MS: u64 = 1_700_000_000_000;
const ALL: Needs =
    Needs { utilization: true, history: true, pending_jobs: true, queue_depth: true };

/// A source of a composition root's own, that says what it is told to.
struct Own {
    name: &'static str,
    figures: Figures,
    asked: std::sync::Mutex<Vec<Needs>>,
    clock: Clock,
    takes: Duration,
}

#[async_trait]
impl MetricsSource for Own {
    fn name(&self) -> &str {
        self.name
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        self.asked.lock().unwrap().push(question.needs);
        if !self.takes.is_zero() {
            self.clock.sleep(self.takes).await;
        }
        self.figures.clone()
    }
}

struct Bench {
    time: Arc<FakeClock>,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        let time = FakeClock::new(NOW_MS);
        Self { clock: Clock::fake(Arc::clone(&time)), time }
    }

    fn own(&self, name: &'static str, figures: Figures) -> Arc<Own> {
        let (clock, takes) = (self.clock.clone(), Duration::ZERO);
        Arc::new(Own { name, figures, asked: std::sync::Mutex::default(), clock, takes })
    }

    fn sources(&self, sources: &[&Arc<Own>]) -> Sources {
        sources.iter().fold(Sources::new(self.clock.clone()), |all, source| {
            all.with(Arc::clone(source) as Arc<dyn MetricsSource>)
        })
    }
}

fn pool(order: &[&str]) -> PoolSpec {
    let order = order.iter().map(|name| (*name).to_owned()).collect();
    let metrics = Some(PoolMetricsSpec { order, ..PoolMetricsSpec::default() });
    PoolSpec { name: "a".to_owned(), metrics, ..PoolSpec::default() }
}

fn ask(sources: &Sources, pool: &PoolSpec, needs: Needs) -> Found {
    let fleet = FleetState::default();
    let question = Question { fleet: &fleet, pool, needs, now_ms: NOW_MS };
    sources.ask(question).now_or_never().expect("it waits")
}

fn sample(utilization: f64) -> Vec<Sample> {
    vec![Sample { at_ms: NOW_MS, utilization }]
}

/// Without it an idle source could outvote the one that a pool trusts, or one figure's source be forced on the
/// others.
#[test]
fn each_figure_comes_from_the_first_that_has_it() {
    let bench = Bench::new();
    let first = bench.own(
        "x-first",
        Figures {
            utilization: Figure::missing("asleep"),
            history: sample(1.0),
            queue_depth: Figure::known(70, NOW_MS - 12_900),
            ..Figures::default()
        },
    );
    let second = bench.own(
        "x-second",
        Figures {
            utilization: Figure::known(50.0, NOW_MS - 3_000),
            history: sample(50.0),
            pending_jobs: Figure::missing("no such job"),
            queue_depth: Figure::known(1, NOW_MS),
        },
    );
    let sources = bench.sources(&[&first, &second]);
    let found = ask(&sources, &pool(&[]), ALL);
    assert_eq!((found.utilization, found.history), (Some(50.0), sample(50.0)));
    assert_eq!((found.pending_jobs, found.queue_depth), (None, Some(70)));
    assert_eq!(found.origins.utilization, "x-second 3 s ago");
    assert_eq!(found.origins.pending_jobs, "x-second: no such job");
    assert_eq!(found.origins.queue_depth, "x-first 12 s ago");
    assert!(!second.asked.lock().unwrap()[0].queue_depth, "asked for what was known");

    let turned = ask(&sources, &pool(&["x-second", "x-first"]), ALL);
    assert_eq!((turned.utilization, turned.queue_depth), (Some(50.0), Some(1)));
    let alone = ask(&sources, &pool(&["x-first"]), ALL);
    assert_eq!((alone.utilization, alone.history.len()), (None, 0));
    assert_eq!(alone.origins.utilization, "x-first: asleep");
    assert_eq!(alone.origins.pending_jobs, "no source tells it");
    let typo = ask(&sources, &pool(&["x-frist", "x-second"]), ALL);
    assert_eq!(typo.queue_depth, Some(1));
    assert_eq!(
        typo.origins.pending_jobs,
        "x-frist: the leader's program has no such source; x-second: no such job"
    );
}

/// Without it a source would be asked, and may cost something, for a pool that has no use for its answer.
#[test]
fn nobody_is_asked_for_what_is_not_needed() {
    let bench = Bench::new();
    let both = Figures {
        utilization: Figure::known(50.0, NOW_MS),
        queue_depth: Figure::known(1, NOW_MS),
        ..Figures::default()
    };
    let (first, second) = (bench.own("x-first", both.clone()), bench.own("x-second", both));
    let sources = bench.sources(&[&first, &second]);
    let needs = Needs { utilization: true, ..Needs::default() };
    let found = ask(&sources, &pool(&[]), needs);
    assert_eq!((found.utilization, found.queue_depth), (Some(50.0), None), "only what was asked");
    assert_eq!(found.origins.queue_depth, "");
    assert_eq!(first.asked.lock().unwrap().len(), 1);
    assert!(second.asked.lock().unwrap().is_empty());
    assert_eq!(ask(&sources, &pool(&[]), Needs::default()), Found::default());
    assert_eq!(first.asked.lock().unwrap().len(), 1);
}

/// Without it anybody's source could scale a pool by NaN, fill the journal with its novel, or hang all pools.
#[tokio::test(flavor = "current_thread")]
async fn a_source_that_misbehaves_is_no_data() {
    let bench = Bench::new();
    for value in [f64::NAN, f64::INFINITY, -0.1, 100.1] {
        let figures = Figures { utilization: Figure::known(value, NOW_MS), ..Figures::default() };
        let found = ask(&bench.sources(&[&bench.own("x-odd", figures)]), &pool(&[]), ALL);
        assert_eq!(found.utilization, None);
        assert_eq!(found.origins.utilization, "x-odd: the value is no percentage from 0 to 100");
    }
    let novel =
        Figures { queue_depth: Figure::missing("\u{e4}".repeat(5_000)), ..Figures::default() };
    let found = ask(&bench.sources(&[&bench.own("x-long", novel)]), &pool(&[]), ALL);
    assert!(found.origins.queue_depth.len() <= MAX_REASON_BYTES + "x-long: ".len());

    let (takes, asked) = (Duration::from_secs(3_600), std::sync::Mutex::default());
    let clock = bench.clock.clone();
    let hung = Arc::new(Own { name: "x-hung", figures: Figures::default(), asked, clock, takes });
    let sources = Arc::new(bench.sources(&[&hung]));
    let asking = Arc::clone(&sources);
    let task = tokio::spawn(async move {
        let (fleet, pool) = (FleetState::default(), pool(&[]));
        asking.ask(Question { fleet: &fleet, pool: &pool, needs: ALL, now_ms: NOW_MS }).await
    });
    bench.time.advance(SOURCE_LIMIT).await;
    assert_eq!(task.await.unwrap().origins.queue_depth, "x-hung: it did not answer within 2 s");
}

/// Without it one program's source that panics would end the figures of all pools, or a person could not see why its
/// own are missing.
#[test]
fn a_source_that_panics_has_no_data() {
    struct Breaks;

    #[async_trait]
    impl MetricsSource for Breaks {
        fn name(&self) -> &str {
            "x-breaks"
        }

        async fn figures(&self, _: Question<'_>) -> Figures {
            panic!("no luck")
        }
    }

    let bench = Bench::new();
    let told = Figures { queue_depth: Figure::known(7, NOW_MS), ..Figures::default() };
    let other = bench.own("x-other", told);
    let sources = Sources::new(bench.clock.clone()).with(Arc::new(Breaks)).with(other);
    let found = ask(&sources, &pool(&[]), ALL);
    assert_eq!(found.queue_depth, Some(7));
    assert_eq!(found.origins.pending_jobs, "x-breaks: it panicked, no luck");
}
