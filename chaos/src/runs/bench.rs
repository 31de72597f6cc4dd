use std::{path::Path, process::Stdio};

use serde::Deserialize;
use tokio::process::Command;

use crate::error::ChaosError;

/// What `navarch bench -o json` prints, as far as it is needed here.
#[derive(Deserialize)]
pub(super) struct Bench {
    /// Calls that failed.
    pub(super) failed: u64,
    /// Calls answered a second.
    pub(super) rate_per_s: f64,
    pub(super) latency_ms: BenchLatency,
}

/// Milliseconds that part of the calls did not exceed.
#[derive(Deserialize)]
pub(super) struct BenchLatency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Runs `navarch bench` against the replicas at `addresses`: the command that people have for it.
pub(super) async fn bench(
    program: &Path,
    addresses: &[String],
    arguments: &[String],
) -> Result<Bench, ChaosError> {
    let failed =
        |problem: String| ChaosError::Tool { program: "navarch bench".to_owned(), problem };
    let output = Command::new(program)
        .arg("bench")
        .args(arguments)
        .args(["--output", "json", "--server", &addresses.join(",")])
        .env_remove("NAVARCH_AUTH_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}
