//! Writers that go on while leaders are killed.

#![allow(clippy::unwrap_used, reason = "a poisoned lock fails the test anyway")]

mod common;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Live, homes, start_all, within};
use navarch_cluster::{ProposeError, ReadError, Replica};
use navarch_host::Clock;

const KILLS: usize = 5;
const WRITERS: usize = 4;

/// The replicas as clients find them, each in its place; a killed one is missing until it is back.
type Places = Arc<Mutex<Vec<Option<Replica>>>>;

/// Without it an acknowledged write could be lost or applied twice by a failover, or a read miss one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_or_doubled_by_kills() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let places: Places =
        Arc::new(Mutex::new(replicas.iter().map(|live| Some(live.replica.clone())).collect()));
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(writer, Arc::clone(&places), Arc::clone(&done))))
        .collect();
    let clock = Clock::system();
    for _ in 0..KILLS {
        let first = common::leader(&replicas).await;
        clock.sleep(Duration::from_millis(300)).await;
        places.lock().unwrap()[first] = None;
        replicas.remove(first).kill();
        let back = homes[first].start().await;
        places.lock().unwrap()[first] = Some(back.replica.clone());
        replicas.insert(first, back);
    }
    common::leader(&replicas).await;
    clock.sleep(Duration::from_millis(500)).await;
    done.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(acknowledged.len() > 50, "only {} writes", acknowledged.len());
    for live in &replicas {
        assert_holds(live, &acknowledged).await;
    }
}

/// Writes payloads that never repeat, to whoever leads: those that were acknowledged.
async fn write(writer: usize, places: Places, done: Arc<AtomicBool>) -> Vec<String> {
    let clock = Clock::system();
    let mut acknowledged = Vec::new();
    let mut number = 0;
    let mut place = 0;
    while !done.load(Ordering::Relaxed) {
        let Some(replica) = places.lock().unwrap()[place].clone() else {
            place = (place + 1) % 3;
            clock.sleep(Duration::from_millis(10)).await;
            continue;
        };
        let payload = format!("{writer}-{number}");
        let deadline = clock.now() + Duration::from_millis(500);
        match replica.propose(Bytes::from(payload.clone()), deadline).await {
            Ok(_) => {
                acknowledged.push(payload);
                number += 1;
            }
            // It may have been applied: never sent again.
            Err(ProposeError::Unknown { .. }) => {
                number += 1;
                place = (place + 1) % 3;
            }
            Err(_) => {
                place = (place + 1) % 3;
                clock.sleep(Duration::from_millis(10)).await;
            }
        }
    }
    acknowledged
}

async fn assert_holds(live: &Live, acknowledged: &[String]) {
    within(Duration::from_secs(10), "no up-to-date read", async || {
        let read: Result<u64, ReadError> = live.replica.read_index(live.soon()).await;
        read.ok()
    })
    .await;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for entry in live.entries.lock().unwrap().iter() {
        let text = String::from_utf8_lossy(entry).into_owned();
        *counts.entry(text).or_default() += 1;
    }
    for payload in acknowledged {
        assert_eq!(counts.get(payload), Some(&1), "{payload}");
    }
    assert!(counts.values().all(|&count| count == 1));
}
