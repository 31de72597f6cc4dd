use std::time::Duration;

use navarch_proto::api;
use tonic::Code;

use super::{fleet::Shared, obedience::Obedience, readings};
use crate::{
    client::{Answer, CallError, CallOptions, Rpc, rpc},
    provider::{Machine, labels},
};

/// Limit of a call that should be answered at once.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an agent waits for commands; the control plane answers at most after 30 s.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);

/// How long it waits where so many agents wait that they take turns.
const CROWDED_POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest that an agent waits for its turn to register again.
const LONGEST_TURN: Duration = Duration::from_secs(900);

/// Pauses after failures grow from the first to the second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The control plane does not know the node: register again, after the time that it told, if it did.
struct Forgotten(Option<Duration>);

/// One agent, until it is dropped.
pub(super) async fn live(shared: &Shared, machine: &Machine) {
    let mut obedience = Obedience::default();
    loop {
        let config = register(shared, machine).await;
        // Whichever notices first that the node is not known ends all three.
        let Forgotten(after) = tokio::select! {
            forgotten = beat(shared, machine, interval(config.heartbeat_interval_seconds)) => forgotten,
            forgotten = report(shared, machine, &config) => forgotten,
            forgotten = obey(shared, machine, &mut obedience) => forgotten,
        };
        tracing::debug!(node = machine.id, ?after, "not known any more, registers again");
        let after = match after {
            Some(after) => after,
            None => ask_for_turn(shared, machine).await,
        };
        shared.clock.sleep(after.min(LONGEST_TURN)).await;
    }
}

/// When the control plane, which answers heartbeats with it, would have a forgotten node register.
async fn ask_for_turn(shared: &Shared, machine: &Machine) -> Duration {
    let request = readings::heartbeat(machine, 0, 0.0);
    let error = call::<rpc::Heartbeat>(shared, request).await.err();
    error.and_then(|error| error.retry_after()).unwrap_or_default()
}

async fn register(shared: &Shared, machine: &Machine) -> api::NodeConfig {
    let mut pause = Pause::default();
    loop {
        let request = readings::registration(machine, &shared.options.provider);
        match call::<rpc::RegisterNode>(shared, request).await {
            Ok(answer) if answer.message.success => {
                return answer.message.config.unwrap_or_default();
            }
            Ok(answer) => {
                tracing::debug!(node = machine.id, reason = answer.message.message, "not taken");
            }
            Err(error) => tracing::debug!(node = machine.id, %error, "cannot register"),
        }
        pause.wait(shared).await;
    }
}

/// Beats at the interval that it was last told. A failed beat is not made up for: the next one comes in its
/// turn.
async fn beat(shared: &Shared, machine: &Machine, mut interval: Duration) -> Forgotten {
    let pool = machine.labels.get(labels::POOL).map_or("", String::as_str);
    for number in 0_u64.. {
        let sent_ms = shared.clock.wall_ms();
        let busy = shared.options.loads.of(pool, sent_ms);
        let request = readings::heartbeat(machine, number, busy);
        match call::<rpc::Heartbeat>(shared, request).await {
            Ok(answer) => {
                let times = (sent_ms, shared.clock.wall_ms());
                shared.options.beats.note(&machine.id, interval, times);
                let told = answer.message.next_interval_ms;
                if told > 0 {
                    interval = Duration::from_millis(u64::from(told));
                }
            }
            Err(error) if error.code() == Code::NotFound => return Forgotten(error.retry_after()),
            Err(error) => tracing::debug!(node = machine.id, %error, "a beat failed"),
        }
        shared.clock.sleep(spread(interval, number)).await;
    }
    Forgotten(None)
}

/// Reports at the interval that it was told, and at once what is newly wrong.
async fn report(shared: &Shared, machine: &Machine, config: &api::NodeConfig) -> Forgotten {
    let period = interval(config.health_check_interval_seconds);
    let ailments = &shared.options.ailments;
    for number in 0_u64.. {
        let mut ailment = ailments.of(&machine.id);
        let checks = &config.enabled_health_checks;
        let request = readings::health_report(&machine.id, checks, &ailment);
        match call::<rpc::ReportHealth>(shared, request).await {
            Ok(_) => {
                if let Some(xid) = ailment.xid.take() {
                    ailments.told(&machine.id, xid);
                }
            }
            Err(error) if error.code() == Code::NotFound => return Forgotten(error.retry_after()),
            Err(error) => tracing::debug!(node = machine.id, %error, "a report failed"),
        }
        tokio::select! {
            () = shared.clock.sleep(spread(period, number)) => {}
            () = ailments.news(&machine.id, &ailment) => {}
        }
    }
    Forgotten(None)
}

/// Agents that booted together must not beat together: the first pause is any part of the period, later ones
/// are a little longer or shorter than it.
fn spread(period: Duration, number: u64) -> Duration {
    let share = if number == 0 { 0.0..=1.0 } else { 0.95..=1.05 };
    period.mul_f64(rand::random_range(share))
}

async fn obey(shared: &Shared, machine: &Machine, obedience: &mut Obedience) -> Forgotten {
    let mut pause = Pause::default();
    loop {
        match poll(shared, machine).await {
            Ok(commands) => {
                pause = Pause::default();
                for command in commands {
                    if acknowledge(shared, machine, obedience, &command).await.is_err() {
                        // It stays queued and is delivered again.
                        pause.wait(shared).await;
                    }
                }
            }
            Err(error) if error.code() == Code::NotFound => return Forgotten(error.retry_after()),
            Err(error) => {
                tracing::debug!(node = machine.id, %error, "cannot poll");
                pause.wait(shared).await;
            }
        }
    }
}

async fn poll(shared: &Shared, machine: &Machine) -> Result<Vec<api::NodeCommand>, CallError> {
    // A closed semaphore would only mean that nobody bounds the polls any more.
    let crowded = shared.polls.available_permits() == 0;
    let _turn = shared.polls.acquire().await.ok();
    let timeout = if crowded { CROWDED_POLL_TIMEOUT } else { POLL_TIMEOUT };
    let request = api::PollCommandsRequest { node_id: machine.id.clone() };
    let options = CallOptions::within(timeout);
    let began = shared.clock.now();
    match shared.client.call::<rpc::PollCommands>(request, &options).await {
        Ok(answer) => Ok(answer.message.commands),
        // A wait that ran out is no failure.
        Err(error)
            if error.code() == Code::DeadlineExceeded
                && shared.clock.now().since(began) >= timeout / 2 =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

async fn acknowledge(
    shared: &Shared,
    machine: &Machine,
    obedience: &mut Obedience,
    command: &api::NodeCommand,
) -> Result<(), CallError> {
    let kind = command.r#type();
    let subject = (machine.id.as_str(), command.command_id.as_str());
    let at_ms = shared.clock.wall_ms();
    let (request, executed) = obedience.obey(&machine.id, command);
    shared.receipts.note(subject, kind.as_str_name(), at_ms, |receipt| {
        receipt.deliveries += 1;
        receipt.executions += u32::from(executed);
    });
    call::<rpc::AckCommand>(shared, request).await?;
    shared.receipts.note(subject, kind.as_str_name(), at_ms, |receipt| {
        receipt.acknowledgements += 1;
    });
    Ok(())
}

async fn call<R: Rpc>(
    shared: &Shared,
    request: R::Request,
) -> Result<Answer<R::Response>, CallError> {
    let _place = shared.calls.acquire().await.ok();
    shared.client.call::<R>(request, &CallOptions::within(CALL_TIMEOUT)).await
}

/// Seconds as the control plane says them, never below 1.
fn interval(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds.max(1)).unwrap_or(1))
}

/// Jittered pauses that grow.
#[derive(Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    async fn wait(&mut self, shared: &Shared) {
        let longest = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        shared.clock.sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
    }
}
