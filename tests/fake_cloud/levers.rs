use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use navarch::fake_cloud::{Watcher, ledger::Change};

use crate::support::{Cloud, START_MS, body};

/// What was told of machines.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Watcher for Heard {
    fn changed(&self, change: &Change, at_ms: u64) {
        let what = match change {
            Change::Bought { machine, .. } => format!("bought {}", machine.idempotency_key),
            Change::Ended { vanished, .. } => format!("ended, vanished: {vanished}"),
            Change::Agent { on, .. } => format!("agent on: {on}"),
            Change::Delayed { .. } | Change::Dropped { .. } => "delayed".to_owned(),
        };
        self.0.lock().unwrap().push(format!("{} {what}", at_ms - START_MS));
    }
}

/// Without it a program that runs a cloud could not make it fail, or would miss what it sells.
#[tokio::test]
async fn a_program_that_runs_a_cloud_has_its_levers_and_its_news() {
    let heard = Arc::new(Heard::default());
    let watcher = Arc::clone(&heard);
    let cloud = Cloud::start_with(|options| options.watcher = Some(watcher)).await;
    let levers = cloud.controls.clone();
    let id = cloud.order("a", &body("p", "l4-1x")).await.id();
    levers.set_drought(Some("l4-1x"), true).unwrap();
    let refused = cloud.order("b", &body("p", "l4-1x")).await;
    assert_eq!(refused.error().1, "insufficient_capacity");
    // What was sold is answered as before, and other types are to be had.
    assert_eq!(cloud.order("a", &body("p", "l4-1x")).await.status, 200);
    assert_eq!(cloud.order("c", &body("p", "h100-8x")).await.status, 201);
    levers.set_drought(None, false).unwrap();
    assert_eq!(cloud.order("b", &body("p", "l4-1x")).await.status, 201);

    cloud.time.advance(Duration::from_secs(3)).await;
    assert_eq!((levers.is_on(&id), levers.is_on("m-none")), (Some(true), None));
    levers.silence(&id).await.unwrap();
    assert_eq!(levers.is_on(&id), Some(false));
    levers.revive(&id).await.unwrap();
    levers.revive(&id).await.unwrap();
    assert_eq!(levers.is_on(&id), Some(true));
    levers.vanish(&id).await.unwrap();
    assert_eq!(levers.is_on(&id), None);
    cloud.stop().await;
    assert!(levers.vanish(&id).await.is_err(), "a cloud that has stopped has no levers");
    let expected = [
        "0 bought a",
        "0 bought c",
        "0 bought b",
        "3000 agent on: false",
        "3000 agent on: true",
        "3000 ended, vanished: true",
    ];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}
