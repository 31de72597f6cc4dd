use std::path::Path;

use tokio::process::Command;

/// What `navarch version` says of a program, on one line; empty if it says nothing.
pub(crate) async fn build_of(program: &Path) -> String {
    let output = Command::new(program).arg("version").output().await;
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
