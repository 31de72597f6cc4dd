use std::time::Duration;

use clap::Args;
use navarch_proto::api::{self, FleetEvent};
use tonic::Code;

use super::{
    failure::{Failure, FailureKind},
    invocation::Invocation,
    output::{Format, Record as _, age, message, message_value},
};
use crate::client::{Client, rpc::ListEvents};

/// Events read at a time.
const PAGE: u32 = 1_000;

/// How many events are shown when the person does not say since when.
const RECENT: u64 = 100;

/// Between two tries of a broken watch.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// `navarch events`
#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArguments {
    /// Go on with new events as they happen
    #[arg(long)]
    follow: bool,
    /// Only events after this index; 0: all that are kept [default: the newest 100]
    #[arg(long, value_name = "INDEX")]
    since: Option<u64>,
    /// Only events about this, like node/n-1, pool/training, or a bare id
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
}

impl EventsArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let client = invocation.client()?;
        let mut journal =
            Journal { client, subject: self.subject.unwrap_or_default(), since: self.since };
        if self.follow {
            return journal.follow(invocation).await;
        }
        let events = journal.read(invocation).await?;
        invocation.printer.list(&events, "no events")
    }
}

/// Reads the journal from an index on.
struct Journal {
    client: Client,
    subject: String,
    since: Option<u64>,
}

impl Journal {
    /// All events up to now.
    async fn read(&self, invocation: &Invocation) -> Result<Vec<FleetEvent>, Failure> {
        let mut since = match self.since {
            Some(since) => since,
            // Events of one subject are few: all of them.
            None if !self.subject.is_empty() => 0,
            None => self.newest(invocation).await?.saturating_sub(RECENT),
        };
        let mut events = Vec::new();
        loop {
            let page = self.page(since, PAGE, invocation).await?;
            let asked_for_more = self.since.is_some_and(|asked| asked > 0 && asked == since);
            if asked_for_more && page.first_index > since.saturating_add(1) {
                message(&format!(
                    "the journal starts at index {}: events before it are no longer kept",
                    page.first_index
                ));
            }
            let Some(last) = page.events.last() else {
                return Ok(events);
            };
            since = last.index;
            events.extend(page.events);
        }
    }

    /// The index of the newest event.
    async fn newest(&self, invocation: &Invocation) -> Result<u64, Failure> {
        Ok(self.page(0, 1, invocation).await?.last_index)
    }

    async fn page(
        &self,
        since: u64,
        limit: u32,
        invocation: &Invocation,
    ) -> Result<api::ListEventsResponse, Failure> {
        let request = api::ListEventsRequest { since, subject: self.subject.clone(), limit };
        invocation.call_on::<ListEvents>(&self.client, "read the journal", request).await
    }

    /// Prints events as they happen, over failures of replicas, until the person stops it.
    async fn follow(&mut self, invocation: &mut Invocation) -> Result<(), Failure> {
        if self.since.is_none() {
            self.since = Some(self.newest(invocation).await?);
        }
        let mut silent_since = invocation.clock.now();
        loop {
            let before = self.since;
            let failure = self.follow_one_stream(invocation).await;
            let now = invocation.clock.now();
            if self.since != before {
                silent_since = now;
            }
            if let Err(failure) = failure {
                let waited = now.since(silent_since);
                if !passing(failure.kind()) || waited >= invocation.settings.timeout {
                    return Err(failure);
                }
            } else {
                silent_since = now;
            }
            invocation.clock.sleep(RETRY_AFTER).await;
        }
    }

    /// Prints what one replica tells until the stream breaks.
    async fn follow_one_stream(&mut self, invocation: &mut Invocation) -> Result<(), Failure> {
        const WHAT: &str = "follow the journal";
        let request = api::WatchEventsRequest { since: self.since, subject: self.subject.clone() };
        let opened = self.client.watch_events(request).await;
        let mut stream = opened.map_err(|error| Failure::from_call(WHAT, &error))?;
        loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    self.since = Some(event.index);
                    print(&event, invocation)?;
                }
                Ok(None) => return Ok(()),
                Err(status) if broken(status.code()) => return Ok(()),
                Err(status) => return Err(Failure::from_status(WHAT, &status)),
            }
        }
    }
}

/// Whether a stream ended for its replica's sake, so that another one may go on with it.
fn broken(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal | Code::Aborted
    )
}

/// Whether another try may go better.
fn passing(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Unreachable | FailureKind::TimedOut => true,
        FailureKind::OutputClosed
        | FailureKind::Refused
        | FailureKind::Usage
        | FailureKind::NotFound
        | FailureKind::NotAllowed => false,
    }
}

fn print(event: &FleetEvent, invocation: &mut Invocation) -> Result<(), Failure> {
    match invocation.printer.format() {
        Format::Table | Format::Wide => invocation.printer.line(&line(event)),
        Format::Name => invocation.printer.line(&event.name()),
        Format::Json | Format::Yaml => {
            let value = message_value(FleetEvent::MESSAGE, event)?;
            invocation.printer.item(&value)
        }
    }
}

/// One event as one line: a stream has no widths to agree on.
pub(crate) fn line(event: &FleetEvent) -> String {
    let cells = event.cells(0);
    let changes = cells.get(5).map(|cell| cell.text()).filter(|text| *text != "-");
    let parts = [
        Some(event.index.to_string()),
        Some(age::rfc3339(event.time.as_ref())),
        Some(event.subject.clone()),
        Some(event.kind.clone()),
        Some(event.actor.clone()).filter(|actor| !actor.is_empty()),
        changes.map(|changes| format!("[{changes}]")),
        Some(event.reason.clone()).filter(|reason| !reason.is_empty()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join("  ").replace(char::is_control, " ")
}
