//! Clients that nobody here wrote; `tests/peers/install.sh` installs them.

use std::{path::Path, process::Stdio, sync::Arc};

use tokio::process::Command;

use crate::toy::{Server, Setup, TokenGate};

/// Without it we could speak protocols of our own making on both sides and not notice.
#[tokio::test]
async fn foreign_clients_agree_with_each_other() {
    let python = Path::new("target/peers/bin/python");
    if !python.exists() {
        // Past the test harness, which would swallow it.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: grpcio and buf curl against our port; run tests/peers/install.sh first\n",
        );
        return;
    }
    let nodes = crate::toy::Nodes::default();
    let mut servers = Vec::new();
    for _ in 0..3 {
        let setup =
            Setup { nodes: Arc::clone(&nodes), gate: Arc::new(TokenGate), ..Setup::default() };
        servers.push(Server::start(setup).await);
    }
    let urls: Vec<_> = servers.iter().map(|server| server.url("")).collect();
    let check = Command::new(python)
        .arg("tests/peers/check.py")
        .args([&urls.join(","), "--token", "secret"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&check.stdout);
    let errors = String::from_utf8_lossy(&check.stderr);
    println!("{text}{errors}");
    assert!(check.status.success(), "{text}{errors}");
}
