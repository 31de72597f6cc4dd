use std::{fs, sync::Arc, time::Duration};

use navarch::fake_cloud::{FakeCloud, FakeCloudError, FakeCloudOptions};
use navarch_host::{Clock, FakeClock, SystemSpawner};
use serde_json::{Value, json};

use crate::support::{Cloud, START_MS, body, ledger_path, passing};

/// Without it a restart of the cloud would lose machines that are paid for, or buy them again.
#[tokio::test]
async fn nothing_is_lost_over_a_restart() {
    let cloud = Cloud::start().await;
    let kept = cloud.order("kept", &body("p", "l4-1x")).await.id();
    let ended = cloud.order("ended", &body("p", "l4-1x")).await.id();
    let vanished = cloud.order("vanished", &body("p", "l4-1x")).await.id();
    cloud.delete(&ended).await;
    let path = format!("/v1/admin/instances/{vanished}/kill");
    let gone = r#"{"machine":"vanishes"}"#;
    cloud.send(reqwest::Method::POST, &path, &[], gone).await;
    let fault = json!({"kind": "delayed_commit", "delay_ms": 60_000});
    cloud.faults(json!({"faults": [fault]})).await;
    assert_eq!(cloud.order("delayed", &body("q", "l4-1x")).await.status, 500);
    cloud.time.advance(Duration::from_secs(5)).await;
    let machines = cloud.get("/v1/instances").await.json;
    let ledger = cloud.ledger().await;
    let (folder, time) = cloud.stop().await;

    let cloud = Cloud::start_in(folder, time, |_| {}).await;
    assert_eq!(cloud.ledger().await, ledger);
    assert_eq!(cloud.get("/v1/instances").await.json, machines);
    assert_eq!(cloud.get(&format!("/v1/instances/{vanished}")).await.status, 404);
    for (key, id, state) in [
        ("kept", &kept, "running"),
        ("ended", &ended, "terminated"),
        ("vanished", &vanished, "terminated"),
    ] {
        let again = cloud.order(key, &body("p", "l4-1x")).await;
        assert_eq!(again.status, 200, "{key}");
        assert_eq!((again.id(), &again.json["state"]), (id.clone(), &json!(state)));
        let other = cloud.order(key, &body("p", "a10-1x")).await;
        assert_eq!(other.error(), (409, "idempotency_mismatch"));
    }
    passing(&cloud.time, async {
        let committed = |line: &Value| line["live_by_pool"] == json!({"p": 1, "q": 1});
        while !cloud.ledger().await.last().is_some_and(committed) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let seqs: Vec<Value> = cloud.ledger().await.iter().map(|line| line["seq"].clone()).collect();
    assert_eq!(seqs, (1..=seqs.len()).map(|seq| json!(seq)).collect::<Vec<_>>());
}

/// Without it a cloud that was killed in the middle of a line could not start again, or a damaged ledger
/// would be taken for the truth.
#[tokio::test]
async fn a_torn_end_is_cut_off_and_damage_is_refused() {
    let cloud = Cloud::start().await;
    for key in ["a", "b", "c"] {
        cloud.order(key, &body("p", "l4-1x")).await;
    }
    let (folder, time) = cloud.stop().await;
    let path = ledger_path(&folder);
    let whole = fs::read(&path).unwrap();
    for cut in [1, 2, 40, 300] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let cloud = Cloud::start_in(Arc::clone(&folder), Arc::clone(&time), |_| {}).await;
        assert_eq!(cloud.ledger().await.len(), 2, "cut by {cut}");
        assert_eq!(cloud.order("c", &body("p", "l4-1x")).await.status, 201);
        assert_eq!(cloud.ledger().await.len(), 3);
        cloud.stop().await;
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    for damaged in [
        [b"{}\n".to_vec(), lines[1].to_vec()].concat(),
        [lines[0].to_vec(), lines[2].to_vec()].concat(),
    ] {
        fs::write(&path, &damaged).unwrap();
        let clock = Clock::fake(FakeClock::new(START_MS));
        let options = FakeCloudOptions::new("127.0.0.1:0", &path);
        let refused = FakeCloud::start(options, clock, SystemSpawner::current()).await;
        let Err(error @ FakeCloudError::LedgerDamaged { .. }) = refused else {
            panic!("a damaged ledger was taken");
        };
        assert!(error.to_string().contains("line "), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
}

/// Without it two fake clouds would mix their lines in one ledger.
#[tokio::test]
async fn a_ledger_has_one_owner() {
    let cloud = Cloud::start().await;
    let options = FakeCloudOptions::new("127.0.0.1:0", ledger_path(&cloud.folder));
    let refused = FakeCloud::start(options, cloud.clock.clone(), SystemSpawner::current()).await;
    assert!(matches!(refused, Err(FakeCloudError::LedgerInUse { .. })));
    let folder = cloud.folder.path().join("missing").join("ledger");
    let options = FakeCloudOptions::new("127.0.0.1:0", folder);
    let refused = FakeCloud::start(options, cloud.clock.clone(), SystemSpawner::current()).await;
    assert!(matches!(refused, Err(FakeCloudError::Ledger { .. })));
}
