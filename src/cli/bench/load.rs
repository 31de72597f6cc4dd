use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use navarch_host::{Clock, Moment, Spawner, TaskHandle};
use tokio_util::sync::CancellationToken;

use super::{measure::Measure, report::Report};
use crate::{
    cli::{
        failure::{Failure, FailureKind},
        invocation::Invocation,
        output::{Progress, message},
        signals,
    },
    client::{CallError, CallOptions, Client, Rpc},
};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Calls in flight that one connection is meant for; replicas take about 200 on one.
const CALLS_PER_CONNECTION: usize = 64;

/// Connections to each replica at most.
const MAX_CONNECTIONS: usize = 8;

/// What all workers of a load share.
#[derive(Clone)]
pub(super) struct Load {
    client: Client,
    options: CallOptions,
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    measure: Arc<Measure>,
    stop: CancellationToken,
}

impl Load {
    /// A load with `in_flight` calls at a time; SIGINT ends it early.
    pub(super) fn new(
        invocation: &Invocation,
        in_flight: usize,
        connections: Option<usize>,
    ) -> Result<Self, Failure> {
        let mut options = invocation.client_options();
        options.connections_per_replica = connections
            .unwrap_or_else(|| in_flight.div_ceil(CALLS_PER_CONNECTION))
            .clamp(1, MAX_CONNECTIONS);
        Ok(Self {
            client: invocation.client_with(options)?,
            options: invocation.call_options(),
            clock: invocation.clock.clone(),
            spawner: Arc::clone(&invocation.spawner),
            measure: Arc::new(Measure::new()),
            stop: signals::stop_on_signal(&invocation.spawner)?,
        })
    }

    /// The client that makes the calls.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The options of each call.
    pub(super) fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Ends when the person stops the load.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The options of each call.
    pub(super) fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }

    /// The same load with nothing measured yet.
    pub(super) fn afresh(&self) -> Self {
        Self { measure: Arc::new(Measure::new()), ..self.clone() }
    }

    /// Whether the person stopped it.
    pub(super) fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What was found so far.
    pub(super) fn measure(&self) -> &Measure {
        &self.measure
    }

    /// `clients` workers, each of which makes its next call when the last one has ended, for `duration`.
    /// `request` makes the request from the worker's number and its count of calls.
    pub(super) async fn closed_loops<R>(
        &self,
        clients: usize,
        duration: Duration,
        request: impl Fn(usize, u64) -> R::Request + Clone + Send + 'static,
    ) -> Duration
    where
        R: Rpc + 'static,
    {
        let started = self.clock.now();
        let end = started + duration;
        let workers = (0..clients).map(|worker| {
            let (load, request) = (self.clone(), request.clone());
            self.spawner.spawn("bench worker", async move {
                for count in 0.. {
                    let now = load.clock.now();
                    if now >= end || load.stop.is_cancelled() {
                        break;
                    }
                    load.call::<R>(request(worker, count), now).await;
                }
            })
        });
        let workers: Vec<_> = workers.collect();
        self.join(workers, started).await
    }

    /// `total` calls, each due `spacing` after the one before, whether or not earlier ones were answered, at
    /// most `in_flight` at a time. Latency counts from when a call was due.
    pub(super) async fn open_loop<R>(
        &self,
        schedule: Schedule,
        request: impl Fn(u64) -> R::Request + Clone + Send + 'static,
    ) -> Duration
    where
        R: Rpc + 'static,
    {
        let load = self.clone();
        self.open_loop_of(schedule, move |number| {
            let (load, request) = (load.clone(), request(number));
            async move { load.client.call::<R>(request, &load.options).await.map(drop) }
        })
        .await
    }

    /// The same for whatever `act` does.
    pub(super) async fn open_loop_of<F>(
        &self,
        Schedule { total, spacing, in_flight }: Schedule,
        act: impl Fn(u64) -> F + Clone + Send + 'static,
    ) -> Duration
    where
        F: Future<Output = Result<(), CallError>> + Send,
    {
        let started = self.clock.now();
        let next = Arc::new(AtomicU64::new(0));
        let workers = (0..in_flight).map(|_| {
            let (load, act, next) = (self.clone(), act.clone(), Arc::clone(&next));
            self.spawner.spawn("bench worker", async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total || load.stop.is_cancelled() {
                        break;
                    }
                    let due = started + spacing.of(number);
                    tokio::select! {
                        biased;
                        () = load.stop.cancelled() => break,
                        () = load.clock.sleep_until(due) => {}
                    }
                    load.count(act(number).await, due);
                }
            })
        });
        let workers: Vec<_> = workers.collect();
        self.join(workers, started).await
    }

    async fn call<R: Rpc>(&self, request: R::Request, counted_from: Moment) {
        let result = self.client.call::<R>(request, &self.options).await;
        self.count(result.map(drop), counted_from);
    }

    fn count(&self, result: Result<(), CallError>, counted_from: Moment) {
        match result {
            Ok(()) => self.measure.answered(self.clock.now().since(counted_from)),
            Err(error) => self.measure.failed(error.code_name(), || error.to_string()),
        }
    }

    /// Waits for all workers, telling how it goes meanwhile; answers how long they took.
    async fn join(&self, workers: Vec<TaskHandle>, started: Moment) -> Duration {
        let progress = Progress::start();
        let all = async {
            for worker in workers {
                worker.join().await;
            }
        };
        let mut all = std::pin::pin!(all);
        let mut before = 0;
        while self.clock.timeout(TELL_EVERY, &mut all).await.is_err() {
            let (ok, failed) = self.measure.ended();
            let seconds = self.clock.now().since(started).as_secs_f64();
            let p99 = self.measure.p99_ms();
            let rate = ok - before;
            progress.say(&format!(
                "{seconds:.0} s: {ok} ok, {failed} failed, {rate}/s, p99 {p99:.2} ms"
            ));
            before = ok;
        }
        progress.finish();
        self.clock.now().since(started)
    }

    /// Prints the report. A load none of whose calls was answered is a failure.
    pub(super) fn finish(
        &self,
        report: &Report,
        invocation: &mut Invocation,
    ) -> Result<(), Failure> {
        let examples = self.measure.examples();
        for (code, example) in &examples {
            message(&format!("{code}: {example}"));
        }
        report.print(&mut invocation.printer)?;
        if report.ok > 0 || report.failed == 0 {
            return Ok(());
        }
        let kind = match report.errors.keys().next() {
            Some(&"unavailable") => FailureKind::Unreachable,
            Some(&"deadline_exceeded") => FailureKind::TimedOut,
            Some(&("unauthenticated" | "permission_denied")) => FailureKind::NotAllowed,
            _ => FailureKind::Refused,
        };
        let message = format!("none of the {} calls was answered", report.failed);
        Err(Failure::new(kind, message).help("`navarch status` shows how the group is"))
    }
}

/// When the calls of an open loop are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// How many calls.
    pub(super) total: u64,
    /// Between two of them.
    pub(super) spacing: Spacing,
    /// How many may wait for their answers.
    pub(super) in_flight: usize,
}

/// `interval` shared by `parts` calls: exact over hours, where nanoseconds a call would drift.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    /// The time in which `parts` calls are due.
    pub(super) interval: Duration,
    /// How many calls are due in it; at least 1.
    pub(super) parts: u64,
}

impl Spacing {
    /// When call `number` is due, from the start.
    pub(super) fn of(self, number: u64) -> Duration {
        let nanos = self.interval.as_nanos() * u128::from(number) / u128::from(self.parts.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many calls are due in `duration`.
    pub(super) fn within(self, duration: Duration) -> u64 {
        let interval = self.interval.as_nanos().max(1);
        let calls = duration.as_nanos() * u128::from(self.parts) / interval;
        u64::try_from(calls).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the rate of a long run would drift from the one asked for.
    #[test]
    fn calls_are_spread_evenly_over_the_interval() {
        let spacing = Spacing { interval: Duration::from_secs(10), parts: 130_000 };
        assert_eq!(spacing.within(Duration::from_secs(60)), 780_000);
        assert_eq!(spacing.of(0), Duration::ZERO);
        assert_eq!(spacing.of(13_000), Duration::from_secs(1));
        assert_eq!(spacing.of(780_000), Duration::from_secs(60));
    }
}
