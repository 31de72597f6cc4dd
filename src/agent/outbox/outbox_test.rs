//! Events over restarts, full disks and damage.

use std::{fs, io, path::Path};

use navarch_host::{FakeClock, SystemSpawner, TaskHandle};
use navarch_proto::api::HealthEventType;

use super::*;

fn xid(id: &str) -> HealthEvent {
    HealthEvent {
        event_id: id.to_owned(),
        event_type: HealthEventType::Xid.into(),
        metrics: [("xid_code".to_owned(), "79".to_owned())].into(),
        ..HealthEvent::default()
    }
}

fn thermal(id: &str) -> HealthEvent {
    let event_type = HealthEventType::Thermal.into();
    HealthEvent { event_id: id.to_owned(), event_type, ..HealthEvent::default() }
}

fn position(next: u64) -> Position {
    Position { log: "boot".to_owned(), next }
}

fn ids(batch: Option<Batch>) -> Vec<String> {
    batch.into_iter().flat_map(|batch| batch.events).map(|event| event.event_id).collect()
}

fn intake(directory: &Path) -> Intake {
    let clock = Clock::fake(FakeClock::new(1_700_000_000_000));
    let claim = block_on(StateDir::claim(directory, &clock)).unwrap();
    Intake::open(Some(claim), OutboxBounds::default(), clock).unwrap()
}

/// Nothing in it waits for anything.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn sighting(events: Vec<HealthEvent>, next: u64) -> Sighting {
    Sighting { events, position: Some(position(next)), ..Sighting::by(Seen::KernelLog) }
}

fn by_driver(events: Vec<HealthEvent>) -> Sighting {
    Sighting { events, ..Sighting::by(Seen::Driver) }
}

/// Without it an agent that is killed would lose what it saw, or report again what was acknowledged.
#[test]
fn what_was_seen_outlives_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = intake(directory.path());
    first.take_in(vec![sighting(vec![xid("a"), xid("b")], 7), sighting(vec![xid("c")], 9)]);
    // Dropped without a word, as kill -9 leaves it.
    drop(first);
    let mut second = intake(directory.path());
    let waiting = second.waiting();
    assert_eq!(waiting.lock().position(), Some(position(9)));
    let batch = waiting.lock().batch(2).unwrap();
    assert_eq!(ids(Some(batch.clone())), ["a", "b"]);
    waiting.lock().acknowledged(&batch);
    second.save();
    drop(second);
    let third = intake(directory.path());
    assert_eq!(ids(third.waiting().lock().batch(10)), ["c"]);
    // What is seen twice, because the kill came before its position was written, is one.
    let mut third = third;
    third.take_in(vec![sighting(vec![xid("c"), xid("d")], 10)]);
    let waiting = third.waiting();
    let batch = waiting.lock().batch(10).unwrap();
    assert_eq!(ids(Some(batch.clone())), ["c"], "the batch that was begun");
    waiting.lock().acknowledged(&batch);
    assert_eq!(ids(waiting.lock().batch(10)), ["d"]);
}

/// Without it damage would be met again at each start, or cost what lies behind it.
#[test]
fn damage_is_mended_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = intake(directory.path());
    ["a", "b", "c"].into_iter().zip(1..).for_each(|(id, next)| {
        first.take_in(vec![sighting(vec![xid(id)], next)]);
    });
    drop(first);
    let path = directory.path().join("events.queue");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        let again = intake(directory.path());
        assert_eq!(ids(again.waiting().lock().batch(10)), ["b", "c"]);
    }
    let aside = fs::read_dir(directory.path()).unwrap();
    let damaged = |name: &str| name.starts_with("events.damaged-");
    let names = aside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| damaged(name)).count(), 1);
}

/// Without it a full disk would end the agent, or silence its events until somebody makes room.
#[test]
fn a_disk_that_cannot_be_written_costs_nothing_while_the_agent_lives() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    let mut intake = intake(&state);
    intake.take_in(vec![sighting(vec![xid("a")], 1)]);
    // A device that has no room, ever, and a name under which no file can be made.
    fs::create_dir(state.join("events.new")).unwrap();
    intake.divert(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    intake.take_in(vec![sighting(vec![xid("b")], 2)]);
    assert_eq!(ids(intake.waiting().lock().batch(10)), ["a", "b"]);
    fs::remove_dir(state.join("events.new")).unwrap();
    intake.save();
    drop(intake);
    assert_eq!(ids(self::intake(&state).waiting().lock().batch(10)), ["a", "b"]);
}

/// Without it a file of an agent that runs for years would fill its disk.
#[test]
fn the_file_stays_short() {
    let directory = tempfile::tempdir().unwrap();
    let mut intake = intake(directory.path());
    let waiting = intake.waiting();
    for round in 0..40 {
        let events = (0..100).map(|number| xid(&format!("{round}-{number}"))).collect();
        intake.take_in(vec![sighting(events, round)]);
        let batch = waiting.lock().batch(500).unwrap();
        waiting.lock().acknowledged(&batch);
        intake.save();
    }
    let length = fs::metadata(directory.path().join("events.queue")).unwrap().len();
    assert!(length < 80 << 10, "{length} bytes");
    drop(intake);
    let again = self::intake(directory.path());
    assert_eq!(again.waiting().lock().position(), Some(position(39)));
}

/// Without it the thread would outlive its agent, or events not reach the one who reports.
#[tokio::test]
async fn events_come_through_the_thread() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, spawner) = (Clock::system(), SystemSpawner::current());
    let open = |claim| Outbox::open(claim, OutboxBounds::default(), &clock, &*spawner).unwrap();
    let claim = StateDir::claim(directory.path(), &clock).await.unwrap();
    let outbox = open(Some(claim));
    outbox.try_add(by_driver(vec![xid("")])).unwrap();
    outbox.news().await;
    outbox.add_from_log(vec![xid("log")], position(3)).unwrap();
    let batch = outbox.batch(10).unwrap();
    // The driver has told of the log's XID already.
    assert_eq!((batch.events.len(), outbox.counts()), (1, (1, 0)));
    assert_eq!(batch.events[0].event_id.len(), 36);
    outbox.acknowledged(&batch);
    assert_eq!(outbox.counts(), (0, 0));
    let memory = open(None);
    memory.try_add(by_driver(vec![xid("m")])).unwrap();
    assert_eq!(ids(memory.batch(10)), ["m"]);
}

/// Without it memory errors that came while no agent ran would be told by none, or those that were told be told again.
#[test]
fn counters_are_kept_with_the_events_that_came_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let counters = |corrected| {
        let gpu = GpuCounters { uuid: "GPU-0".to_owned(), corrected, uncorrected: None };
        Some(KeptCounters { boot: "b1".to_owned(), gpus: vec![gpu] })
    };
    let mut first = intake(directory.path());
    first.take_in(vec![Sighting { counters: counters(Some(1)), ..Sighting::by(Seen::Driver) }]);
    first.take_in(vec![Sighting { counters: counters(Some(5)), ..by_driver(vec![thermal("a")]) }]);
    first.take_in(vec![sighting(vec![xid("b")], 7)]);
    // Dropped without a word, as kill -9 leaves it; then written anew as a whole.
    drop(first);
    let mut second = intake(directory.path());
    assert_eq!(second.waiting().lock().counters(), counters(Some(5)));
    second.survives(|_| panic!("a test"));
    second.save();
    drop(second);
    let third = intake(directory.path());
    let waiting = third.waiting();
    assert_eq!(waiting.lock().counters(), counters(Some(5)));
    assert_eq!(waiting.lock().position(), Some(position(7)));
    assert_eq!(ids(waiting.lock().batch(10)), ["a", "b"]);
}

/// Without it events that the source of the GPUs had no room for would be missed by nobody.
#[test]
fn what_the_source_dropped_is_counted_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = intake(directory.path());
    first.take_in(vec![Sighting { dropped: 3, ..by_driver(vec![xid("a")]) }]);
    first.take_in(vec![Sighting { dropped: 4, ..Sighting::by(Seen::Driver) }]);
    let waiting = first.waiting();
    assert_eq!(waiting.lock().len(), 1);
    assert_eq!(waiting.lock().dropped(), 7);
    drop(first);
    assert_eq!(intake(directory.path()).waiting().lock().dropped(), 7);
}

/// Without it one fault would end the thread, and all that was seen with it and after it be lost.
#[test]
fn a_panic_costs_no_other_event() {
    let directory = tempfile::tempdir().unwrap();
    let mut intake = intake(directory.path());
    let mut passing = true;
    intake.trap = Some(Box::new(move |event| {
        // One that goes away and one that does not.
        let first = event.event_id == "b" && std::mem::take(&mut passing);
        assert!(!first && event.event_id != "poison", "a test");
    }));
    intake.take_in(vec![sighting(vec![xid("a"), xid("b")], 1), by_driver(vec![thermal("c")])]);
    intake.take_in(vec![sighting(vec![xid("d")], 2), by_driver(vec![xid("poison")])]);
    intake.take_in(vec![sighting(vec![xid("e")], 3)]);
    let expected = ["a", "b", "c", "d", "e"];
    assert_eq!(ids(intake.waiting().lock().batch(10)), expected);
    assert_eq!(intake.waiting().lock().dropped(), 1, "what cannot be kept is counted");
    drop(intake);
    let again = self::intake(directory.path());
    assert_eq!(ids(again.waiting().lock().batch(10)), expected);
    assert_eq!(again.waiting().lock().dropped(), 1);
}

/// Starts no thread but holds on to its body, or lets go of it.
struct Idle(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Spawner for Idle {
    fn spawn_boxed(
        &self,
        _: &'static str,
        _: futures::future::BoxFuture<'static, ()>,
    ) -> TaskHandle {
        unreachable!("an outbox has no tasks")
    }

    fn thread(&self, _: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.0.lock().unwrap().push(body);
        Ok(())
    }

    fn runtime(&self, _: &str) -> io::Result<Arc<dyn Spawner>> {
        unreachable!("an outbox has no runtime")
    }
}

/// Without it an agent whose events nobody keeps would wait for a disk that is not slow, and lose them all in silence.
#[tokio::test]
async fn a_thread_that_has_ended_is_no_slow_disk() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let claim = StateDir::claim(directory.path(), &clock).await.unwrap();
    let spawner = Idle(Mutex::default());
    let bounds = OutboxBounds::default();
    let outbox = Outbox::open(Some(claim), bounds, &clock, &spawner).unwrap();
    for number in 0..MAX_SIGHTINGS {
        outbox.try_add(by_driver(vec![xid(&number.to_string())])).unwrap();
    }
    match outbox.try_add(by_driver(vec![xid("too many")])) {
        Err(NotAdded::Full(sighting)) => assert_eq!(sighting.events[0].event_id, "too many"),
        other => panic!("{other:?}"),
    }
    assert!(!outbox.has_ended());
    spawner.0.lock().unwrap().clear();
    assert!(matches!(outbox.try_add(by_driver(vec![xid("b")])), Err(NotAdded::Ended)));
    assert!(matches!(outbox.add_from_log(Vec::new(), position(1)), Err(NotAdded::Ended)));
    assert!(outbox.has_ended());
}
