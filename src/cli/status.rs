use std::time::Duration;

use clap::Args;
use navarch_proto::api;
use serde_json::{Value, json};

use super::{
    failure::{Failure, FailureKind},
    invocation::Invocation,
    output::{Format, message, message_value},
    overview::Overview,
    signals,
};
use crate::client::{
    CallOptions, Client,
    rpc::{GetFleetStatus, ListReplicas},
};

/// Between two looks of `--watch`.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a leader is waited for when the person does not say: this command is asked in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clears the terminal and goes to its top left.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// `navarch status`
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArguments {
    /// Look again every second
    #[arg(long, short)]
    watch: bool,
}

impl StatusArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let client = invocation.client()?;
        let mut options = invocation.call_options();
        options.prefer_leader = true;
        if !invocation.settings.timeout_given {
            options.timeout = PATIENCE;
        }
        if self.watch {
            return watch(&client, &options, invocation).await;
        }
        match look(&client, &options).await {
            Ok(overview) => print(&overview, invocation),
            Err(failure) => Err(last_known(&client, options, failure, invocation).await),
        }
    }
}

/// Reads what `status` shows.
pub(crate) async fn look(client: &Client, options: &CallOptions) -> Result<Overview, Failure> {
    let failed = |error| Failure::from_call("read the status", &error);
    let (fleet, replicas) = tokio::join!(
        client.call::<GetFleetStatus>(api::GetFleetStatusRequest::default(), options),
        client.call::<ListReplicas>(api::ListReplicasRequest {}, options),
    );
    Ok(Overview { fleet: fleet.map_err(failed)?.message, group: replicas.map_err(failed)?.message })
}

/// Without a leader: shows what some replica last knew, and answers why that is all.
async fn last_known(
    client: &Client,
    options: CallOptions,
    failure: Failure,
    invocation: &mut Invocation,
) -> Failure {
    if !matches!(failure.kind(), FailureKind::Unreachable | FailureKind::TimedOut) {
        return failure;
    }
    let stale = CallOptions { stale: true, prefer_leader: false, ..options };
    let Ok(overview) = look(client, &stale).await else {
        return failure;
    };
    message("no leader answers; this is what a replica last knew:");
    match print(&overview, invocation) {
        Ok(()) => failure,
        Err(unprinted) => unprinted,
    }
}

async fn watch(
    client: &Client,
    options: &CallOptions,
    invocation: &mut Invocation,
) -> Result<(), Failure> {
    let stop = signals::stop_on_signal(&invocation.spawner)?;
    while !stop.is_cancelled() {
        let looked = tokio::select! {
            looked = look(client, options) => looked,
            () = stop.cancelled() => break,
        };
        match looked {
            Ok(overview) => print_again(&overview, invocation)?,
            Err(failure)
                if matches!(failure.kind(), FailureKind::Unreachable | FailureKind::TimedOut) =>
            {
                message(&failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = invocation.clock.sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

fn print(overview: &Overview, invocation: &mut Invocation) -> Result<(), Failure> {
    let now_ms = invocation.clock.wall_ms();
    let printer = &mut invocation.printer;
    match printer.format() {
        Format::Table | Format::Wide => {
            let wide = printer.format() == Format::Wide;
            let text = overview.render(now_ms, wide, printer.screen());
            printer.line(&text)
        }
        Format::Name => printer.line(overview.leader_name().unwrap_or("-")),
        Format::Json | Format::Yaml => printer.value(&value(overview)?),
    }
}

fn print_again(overview: &Overview, invocation: &mut Invocation) -> Result<(), Failure> {
    match invocation.printer.format() {
        Format::Table | Format::Wide => {
            let on_terminal = invocation.printer.screen().width.is_some();
            invocation.printer.text(if on_terminal { CLEAR } else { "" })?;
            print(overview, invocation)
        }
        Format::Name => print(overview, invocation),
        Format::Json | Format::Yaml => {
            let value = value(overview)?;
            invocation.printer.item(&value)
        }
    }
}

/// The fleet's status with the group beside it.
fn value(overview: &Overview) -> Result<Value, Failure> {
    let mut value = message_value("navarch.GetFleetStatusResponse", &overview.fleet)?;
    let group = message_value("navarch.ListReplicasResponse", &overview.group)?;
    let quorum = overview.quorum();
    if let (Value::Object(object), Value::Object(mut group)) = (&mut value, group) {
        for key in ["replicas", "leader_id", "answered_by"] {
            object.insert(key.to_owned(), group.remove(key).unwrap_or_default());
        }
        object.insert("leader".to_owned(), json!(overview.leader_name()));
        object.insert("voters".to_owned(), json!(quorum.voters));
        object.insert("voters_heard".to_owned(), json!(quorum.heard));
        object.insert("quorum".to_owned(), json!(quorum.needed));
    }
    Ok(value)
}
