//! When beats come, by the loop itself: with a clock that does not wait, and a group that is there or not.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures::{
    FutureExt as _,
    future::{self, BoxFuture, join_all},
};
use navarch_host::{Clock, FakeClock, Moment, Network, Port, Stream, SystemSpawner};
use navarch_proto::api::NodeConfig;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    agent::{
        AgentConfig, OutboxBounds, client_options,
        gpu::{GpuMap, GpuProbe, NoGpus},
        kernel_log::KernelLog,
        outbox::Outbox,
        shared::Parts,
    },
    client::{Client, ClientOptions},
};

const NODES: u32 = 1_000;
const INTERVAL: Duration = Duration::from_secs(10);

/// A network on which nothing answers, like that of machines without power; it notes which ports were called.
#[derive(Debug, Default)]
struct Dark(Mutex<Vec<u16>>);

impl Network for Dark {
    fn listen(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<Port>> {
        future::pending().boxed()
    }

    fn connect(&self, _: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        self.0.lock().unwrap().push(port);
        future::pending().boxed()
    }
}

/// A node that has registered and can call nobody.
fn node(clock: &Clock, stop: &CancellationToken) -> Shared {
    node_in(Arc::new(Dark::default()), clock, stop)
}

fn node_in(network: Arc<dyn Network>, clock: &Clock, stop: &CancellationToken) -> Shared {
    let spawner = SystemSpawner::current();
    let nobody = [1, 2, 3].map(|port| format!("127.0.0.1:{port}"));
    let options = client_options(clock.clone(), Arc::clone(&spawner));
    let options = ClientOptions { network, ..options };
    let outbox = Outbox::open(None, OutboxBounds::default(), clock, &*spawner).unwrap();
    let source = Arc::new(NoGpus::default());
    let shared = Shared::new(Parts {
        config: AgentConfig::new("n1"),
        client: Client::new(&nobody, options).unwrap(),
        clock: clock.clone(),
        probe: GpuProbe::start(source, clock.clone(), &*spawner).unwrap(),
        gpus: Arc::new(GpuMap::default()),
        outbox: Arc::new(outbox),
        kernel_log: KernelLog::off(),
        stop: stop.clone(),
    });
    let told = NodeConfig {
        heartbeat_interval_seconds: i32::try_from(INTERVAL.as_secs()).unwrap(),
        ..NodeConfig::default()
    };
    shared.registered(&told, 0);
    shared
}

/// Runs `work` while the time passes, then stops it.
async fn over<F: Future>(
    (fake, stop): (&FakeClock, &CancellationToken),
    duration: Duration,
    work: F,
) -> F::Output {
    let time = async {
        fake.advance(duration).await;
        stop.cancel();
        fake.advance(Duration::ZERO).await;
    };
    tokio::join!(work, time).0
}

/// Without it a node could beat at another pace than the group tells it, all beats of an outage together, or not soon
/// enough when it is in doubt.
#[tokio::test(flavor = "current_thread")]
async fn a_node_beats_as_it_is_told() {
    let fake = FakeClock::new(0);
    let (clock, stop) = (Clock::fake(Arc::clone(&fake)), CancellationToken::new());
    let shared = node(&clock, &stop);
    let origin = clock.now();
    let beats = RefCell::new(Vec::new());
    let (shared, beats, clock) = (&shared, &beats, &clock);
    let beat = |failures: u32| async move {
        let number = beats.borrow().len();
        beats.borrow_mut().push((clock.now().since(origin).as_secs_f64(), failures));
        match number {
            // A group that is away for two beats, each given up after a second.
            3 | 4 => {
                clock.sleep(LONGEST_CALL).await;
                false
            }
            6 => {
                shared.next_interval(3_000);
                true
            }
            // An answer that takes longer than three beats.
            8 => {
                clock.sleep(Duration::from_secs(10)).await;
                true
            }
            // Doubt at a long interval.
            10 => {
                shared.next_interval(3_600_000);
                shared.may_be_forgotten(1, None);
                true
            }
            _ => true,
        }
    };
    over((&fake, &stop), Duration::from_secs(200), keep_time(shared, beat)).await;
    let beats = beats.take();
    let failures: Vec<u32> = beats.iter().map(|(_, failures)| *failures).collect();
    assert_eq!(failures, [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0], "{beats:?}");
    let gaps: Vec<f64> = beats.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert_eq!(beats[0].0, 0.0, "the first one comes at once");
    assert!((5.0..=10.0).contains(&gaps[0]), "a random part of the interval: {gaps:?}");
    let about = |gap: f64, expected: f64| assert!((gap - expected).abs() < 1e-3, "{gaps:?}");
    [1, 2, 5].into_iter().for_each(|index| about(gaps[index], 10.0));
    [3, 4].into_iter().for_each(|index| assert!((7.5..=12.5).contains(&gaps[index]), "{gaps:?}"));
    [6, 7].into_iter().for_each(|index| about(gaps[index], 3.0));
    about(gaps[8], 10.0);
    about(gaps[9], 3.0);
    assert!(gaps[10] <= DOUBT.as_secs_f64(), "{gaps:?}");
}

/// Without it a node whose replica has lost its machine, or is frozen, would beat into the void until it is declared lost.
#[tokio::test(flavor = "current_thread")]
async fn the_beat_after_a_failed_one_asks_all_replicas() {
    let fake = FakeClock::new(0);
    let (clock, stop) = (Clock::fake(Arc::clone(&fake)), CancellationToken::new());
    let dark = Arc::new(Dark::default());
    let shared = node_in(Arc::clone(&dark) as Arc<dyn Network>, &clock, &stop);
    let called = async |failures: u32| {
        dark.0.lock().unwrap().clear();
        let time = fake.advance(LONGEST_CALL + Duration::from_millis(200));
        let (well, ()) = tokio::join!(beat(&shared, (0.0, 0.0), failures), time);
        assert!(!well);
        dark.0.lock().unwrap().clone()
    };
    let first = called(0).await;
    assert_eq!(first.len(), 1, "one call a beat while all is well: {first:?}");
    // Longer than the interval at which most fleets beat.
    fake.advance(Duration::from_secs(30)).await;
    let second = called(1).await;
    assert_eq!(second.iter().collect::<BTreeSet<_>>().len(), 3, "{second:?}");
    assert_ne!(second[0], first[0], "the one that said nothing comes last");
}

/// When beats reach a leader, of a fleet whose nodes start within `spread` and which has none for a while.
async fn arrivals(spread: Duration, (begin, healed): (Duration, Duration)) -> Vec<Moment> {
    let fake = FakeClock::settling(0, 3);
    let (clock, stop) = (Clock::fake(Arc::clone(&fake)), CancellationToken::new());
    let (begin, healed) = (clock.now() + begin, clock.now() + healed);
    let arrived = RefCell::new(Vec::new());
    let nodes = (0..NODES).map(|number| {
        let (shared, clock, arrived) = (node(&clock, &stop), clock.clone(), &arrived);
        async move {
            clock.sleep(spread.mul_f64(f64::from(number) / f64::from(NODES))).await;
            let clock = &clock;
            let beat = |_| async move {
                let away = (begin..healed).contains(&clock.now());
                if away
                    && clock
                        .timeout_at(clock.now() + LONGEST_CALL, clock.sleep_until(healed))
                        .await
                        .is_err()
                {
                    return false;
                }
                arrived.borrow_mut().push(clock.now());
                true
            };
            keep_time(&shared, beat).await;
        }
    });
    let end = healed + 3 * INTERVAL;
    over((&fake, &stop), end.since(clock.now()), join_all(nodes)).await;
    arrived.into_inner()
}

/// The busiest second from `from` on, as a multiple of the rate at which a fleet beats.
fn peak(arrivals: &[Moment], from: Moment) -> f64 {
    let starts = (0..3 * INTERVAL.as_secs() * 4 - 4)
        .map(|quarter| from + Duration::from_millis(quarter * 250));
    let second = Duration::from_secs(1);
    let busiest = starts
        .map(|at| arrivals.iter().filter(|time| (at..at + second).contains(*time)).count())
        .max();
    busiest.unwrap() as f64 * INTERVAL.as_secs_f64() / f64::from(NODES)
}

/// Without it a group that comes back would be struck down by the beats of its nodes. Twice as many as before come when all
/// that wait for a leader arrive with those of the next second; chance adds to that.
#[tokio::test(flavor = "current_thread")]
async fn after_an_outage_about_twice_as_many_beats_come_as_before() {
    let origin = Clock::fake(FakeClock::new(0)).now();
    for outage_ms in [700, 15_000, 45_000] {
        let begin = Duration::from_secs(25);
        let healed = begin + Duration::from_millis(outage_ms);
        let arrivals = arrivals(INTERVAL, (begin, healed)).await;
        let peak = peak(&arrivals, origin + healed);
        assert!(peak <= 2.7, "{peak:.2} times the rate after {outage_ms} ms");
        let after = arrivals.iter().filter(|at| **at >= origin + healed).count();
        assert!(after > 2 * NODES as usize, "all are back: {after}");
    }
}

/// Without it nodes that were started together would beat together for ever.
#[tokio::test(flavor = "current_thread")]
async fn nodes_that_start_together_spread_out() {
    let origin = Clock::fake(FakeClock::new(0)).now();
    let never = (INTERVAL, INTERVAL);
    let arrivals = arrivals(Duration::ZERO, never).await;
    // The first beats come at once; what follows is spread over half the interval.
    let peak = peak(&arrivals, origin + Duration::from_secs(1));
    assert!(peak <= 2.7, "{peak:.2} times the rate");
}
