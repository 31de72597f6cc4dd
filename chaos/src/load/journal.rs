use std::time::Duration;

use navarch::client::{CallOptions, Client, rpc::ListEvents};
use navarch_proto::api;

use crate::error::ChaosError;

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(25);
/// Events of one page.
const PAGE: u32 = 1_000;

/// The journal after the event `since`, to its end.
///
/// # Errors
///
/// If it cannot be read, or has lost events that come after `since`.
pub async fn journal(client: &Client, since: u64) -> Result<Vec<api::FleetEvent>, ChaosError> {
    let mut events: Vec<api::FleetEvent> = Vec::new();
    loop {
        let since = events.last().map_or(since, |event| event.index);
        let request = api::ListEventsRequest { since, limit: PAGE, ..Default::default() };
        let answer = client.call::<ListEvents>(request, &CallOptions::within(LIMIT)).await;
        let page = answer.map_err(ChaosError::call("read the journal"))?.message;
        if page.first_index > since + 1 && since > 0 {
            let problem = format!("events before {} are no longer kept", page.first_index);
            return Err(ChaosError::Tool { program: "the journal".to_owned(), problem });
        }
        if page.events.is_empty() {
            return Ok(events);
        }
        events.extend(page.events);
    }
}
