//! The fake cloud's side of the story. No fault of a run restarts it: what it says is the truth.

use std::{collections::BTreeSet, time::Duration};

use navarch::fake_cloud::{agents::Stretch, ledger::LedgerEntry};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Beating, Receipt, Window};
use crate::{host::Host, proc::http};

/// Limit of one call: a long run's ledger is large.
const LIMIT: Duration = Duration::from_secs(25);

/// The ledger of the fake cloud at `cloud`, `host:port`.
///
/// # Errors
///
/// If it cannot be read, in words.
pub async fn ledger(host: &Host, cloud: &str) -> Result<Vec<LedgerEntry>, String> {
    lines(&http::get(host, cloud, "/v1/ledger", LIMIT).await?.body)
}

/// What its agents noted of the commands that they got.
///
/// # Errors
///
/// If that cannot be read, in words.
pub async fn receipts(host: &Host, cloud: &str) -> Result<Vec<Receipt>, String> {
    lines(&http::get(host, cloud, "/v1/admin/receipts", LIMIT).await?.body)
}

/// When its agents beat. A node bears its machine's id.
///
/// # Errors
///
/// If that cannot be read, in words.
pub async fn beating(host: &Host, cloud: &str) -> Result<Vec<Beating>, String> {
    beats(&http::get(host, cloud, "/v1/admin/beats", LIMIT).await?.body)
}

#[derive(Deserialize)]
struct Beats {
    node_id: String,
    stretches: Vec<Stretch>,
}

fn beats(text: &str) -> Result<Vec<Beating>, String> {
    let nodes = lines::<Beats>(text)?.into_iter();
    let beating = nodes.flat_map(|Beats { node_id, stretches }| {
        stretches.into_iter().map(move |Stretch { from_ms, until_ms }| Beating {
            node_id: node_id.clone(),
            machine: node_id.clone(),
            window: Window { from_ms, until_ms },
        })
    });
    Ok(beating.collect())
}

/// The ids of the machines that it has. Its faults must be over: one of them is a list that is out of date.
///
/// # Errors
///
/// If they cannot be listed, in words.
pub async fn machines(host: &Host, cloud: &str) -> Result<BTreeSet<String>, String> {
    let answer = http::get(host, cloud, "/v1/instances?page_size=1000", LIMIT).await?;
    let listed: serde_json::Value =
        serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))?;
    let all = listed["instances"].as_array().ok_or_else(|| format!("no list: {}", answer.body))?;
    let live = all.iter().filter(|one| one["state"] != "terminated");
    Ok(live.filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect())
}

/// One JSON object a line.
fn lines<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let line = |line: &str| serde_json::from_str(line).map_err(|error| format!("{error}: {line}"));
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use navarch::fake_cloud::ledger::Effect;

    use super::*;

    /// Without it a ledger that cannot be read could pass for an empty one.
    #[test]
    fn every_line_is_read() {
        let text = "{\"seq\":1,\"at\":\"2026-01-02T03:04:05Z\",\"method\":\"POST\",\"session\":1,\
                    \"idempotency_key\":\"i\",\"instance_id\":\"m\",\"effect\":\"created\",\
                    \"live_by_pool\":{\"a\":1},\"caller\":\"\"}\n\n";
        let entries: Vec<LedgerEntry> = lines(text).unwrap();
        assert_eq!((entries.len(), entries[0].effect), (1, Effect::Created));
        assert!(lines::<LedgerEntry>("nonsense").is_err());
        let receipt = "{\"node_id\":\"n\",\"command_id\":\"c\",\"type\":\"X\",\"deliveries\":2,\
                       \"executions\":1,\"acknowledgements\":1,\"first_at\":\"2026-01-02T03:04:05Z\"}";
        let receipts: Vec<Receipt> = lines(receipt).unwrap();
        assert_eq!((receipts[0].deliveries, receipts[0].executions), (2, 1));
        let beating = "{\"node_id\":\"n\",\"stretches\":[{\"from\":\"1970-01-01T00:00:01Z\",\
                       \"until\":\"1970-01-01T00:00:02.5Z\"}]}";
        let window = Window { from_ms: 1_000, until_ms: 2_500 };
        let (node_id, machine) = ("n".to_owned(), "n".to_owned());
        assert_eq!(beats(beating).unwrap(), [Beating { node_id, machine, window }]);
    }
}
