use std::{path::Path, process::Stdio};

use navarch_chaos::proc::Group;
use tokio::process::Command;

use crate::{Turn, group, skip};

/// Without it we could speak protocols of our own making on both sides and not notice.
#[tokio::test]
async fn foreign_clients_register_at_one_replica_and_read_from_the_others() {
    let python = Path::new("target/peers/bin/python");
    if !python.exists() {
        return skip("grpcio and buf curl against a group; run tests/peers/install.sh first");
    }
    let turn = Turn::take().await;
    let group = Group::start(&turn.host, group()).await.unwrap();
    let urls: Vec<_> =
        group.addresses().iter().map(|address| format!("http://{address}")).collect();
    let check = Command::new(python)
        .arg("tests/peers/check.py")
        .arg(urls.join(","))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&check.stdout);
    let errors = String::from_utf8_lossy(&check.stderr);
    println!("{text}{errors}");
    assert!(check.status.success(), "{text}{errors}");
}
