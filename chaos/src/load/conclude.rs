use std::time::Duration;

use super::{Checked, Follower, History, check};
use crate::{error::ChaosError, evidence, host::Host, members::Members, wait::until};

/// How long the follower may take to be told all of the journal.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the follower of the journal has been told all of it, and checks everything. All replicas must serve, and
/// all clients have stopped.
///
/// # Errors
///
/// If the check cannot be carried out.
pub async fn conclude(
    host: &Host,
    group: &impl Members,
    history: &History,
    follower: Follower,
) -> Result<Checked, ChaosError> {
    let journal = evidence::group::journals(group).await?;
    let ends = journal.values().filter_map(|events| Some(events.last()?.index));
    let end = ends.max().unwrap_or(0);
    let told = until(host, "the follower's last event", LIMIT, || {
        let last = follower.last();
        std::future::ready(if last >= end { Ok(()) } else { Err(format!("{last} of {end}")) })
    });
    if let Err(late) = told.await {
        history.violated(late.to_string());
    }
    check(host, group, history, vec![follower.stop().await]).await
}
