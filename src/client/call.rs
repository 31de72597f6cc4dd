use std::{future::Future, time::Duration};

use http::{HeaderValue, Request};
use navarch_host::Moment;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    CallError, CallOptions,
    backoff::Backoff,
    balancing::Inner,
    connection::Connection,
    error::TryError,
    exchange::Reply,
    metadata::{self, Metadata},
    picker::Round,
};

/// How much longer than a try's limit its answer is waited for: a replica that gives up at the limit can say so.
const GRACE: Duration = Duration::from_millis(100);

/// What the call loop needs to know of a method.
#[derive(Clone, Copy)]
pub(super) struct Method {
    pub(super) path: &'static str,
    pub(super) writes: bool,
    pub(super) patient: bool,
    /// The answer is a stream: the limits end with its head, and the replica is told none.
    pub(super) streaming: bool,
}

/// A call under way: which replicas were asked, and what came of it.
pub(super) struct Call<'a> {
    inner: &'a Inner,
    method: Method,
    options: &'a CallOptions,
    request_id: Option<HeaderValue>,
    started: Moment,
    deadline: Moment,
    round: Round,
    backoff: Backoff,
    rounds: u32,
    attempts: u32,
    /// Whether a replica may have carried the call out although its answer is lost.
    unknown: bool,
    /// Whether any replica could be connected to.
    connected: bool,
    last: Option<(usize, TryError)>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        method: Method,
        options: &'a CallOptions,
    ) -> Result<Self, CallError> {
        let request_id = match &options.request_id {
            Some(id) => Some(
                HeaderValue::try_from(id.as_str())
                    .map_err(|_| CallError::BadRequestId(id.clone()))?,
            ),
            None if method.writes => {
                HeaderValue::try_from(metadata::mint_request_id(&inner.dialler.clock)).ok()
            }
            None => None,
        };
        let started = inner.dialler.clock.now();
        Ok(Self {
            inner,
            method,
            options,
            request_id,
            started,
            deadline: started + options.timeout,
            round: inner.picker.round(method.writes, options.prefer_leader),
            backoff: inner.picker.backoff(),
            rounds: 0,
            attempts: 0,
            unknown: false,
            connected: false,
            last: None,
        })
    }

    /// Asks one replica after the other until one gives an answer that another would not better. The answer
    /// comes with the index of its replica.
    pub(super) async fn run<B, F>(
        mut self,
        exchange: impl Fn(Connection, Request<()>) -> F,
    ) -> Result<(usize, Reply<B>), CallError>
    where
        F: Future<Output = Result<Reply<B>, TryError>>,
    {
        loop {
            let now = self.inner.dialler.clock.now();
            let Some(index) = self.inner.picker.next(&mut self.round, now) else {
                self.pause().await?;
                continue;
            };
            self.attempts = self.attempts.saturating_add(1);
            let result = self.attempt(index, now, &exchange).await;
            match result.and_then(|reply| self.accept(index, reply)) {
                Ok(reply) => return Ok((index, reply)),
                Err(error) => self.failed(index, error)?,
            }
        }
    }

    async fn attempt<B, F>(
        &mut self,
        index: usize,
        now: Moment,
        exchange: impl Fn(Connection, Request<()>) -> F,
    ) -> Result<Reply<B>, TryError>
    where
        F: Future<Output = Result<Reply<B>, TryError>>,
    {
        let dialler = &self.inner.dialler;
        let limit = if self.method.patient {
            self.deadline
        } else {
            self.deadline.min(now + self.patience())
        };
        let replica = &self.inner.picker.replicas()[index];
        let mut used = None;
        let work = async {
            let connection = replica.connection(dialler).await?;
            used = Some(connection.witness());
            let timeout = limit.since(dialler.clock.now());
            let metadata = Metadata {
                authorization: self.inner.authorization.as_ref(),
                request_id: self.request_id.as_ref(),
                stale: self.options.stale,
                timeout: Some(timeout).filter(|_| !self.method.streaming),
            };
            let request = metadata::request(&replica.address, self.method.path, &metadata);
            exchange(connection, request).await
        };
        let until = self.deadline.min(limit + GRACE);
        let result = dialler.clock.timeout_at(until, work).await;
        self.connected |= used.is_some();
        match (result, used) {
            (Ok(result), _) => result,
            (Err(_), None) => Err(TryError::Connect("no connection in time".into())),
            (Err(_), Some(witness)) => {
                // Nothing at all came: the next call should find out whether the replica is still there.
                if !self.method.patient {
                    witness.close_if_silent();
                }
                Err(TryError::Silent)
            }
        }
    }

    /// The limit of one try. It doubles with each round: work that takes longer than one limit would otherwise
    /// be begun for ever and never finished.
    fn patience(&self) -> Duration {
        self.options.attempt_timeout.saturating_mul(1 << self.rounds.min(8))
    }

    /// Tells an answer that stands from one that another replica, or another moment, may better.
    fn accept<B>(&self, index: usize, reply: Reply<B>) -> Result<Reply<B>, TryError> {
        let hint = metadata::leader(&reply.headers).or_else(|| {
            let status = reply.refusal.as_ref()?;
            metadata::leader(status.metadata().as_ref())
        });
        if let Some(leader) = hint {
            self.inner.picker.leader_is(leader);
        }
        match &reply.refusal {
            Some(status) if status.code() == Code::Unavailable => {
                let message = status.message().into();
                return Err(match may_have_been_carried_out(status) {
                    true => TryError::Unsure(message),
                    false => TryError::Unavailable(message),
                });
            }
            // Some gRPC servers say `cancelled` when the limit of the try ended the call (tonic's does).
            Some(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
                return Err(TryError::Silent);
            }
            Some(_) | None => {}
        }
        self.inner.picker.replicas()[index].succeeded();
        Ok(reply)
    }

    /// Notes a failed try; an error when the call is over.
    fn failed(&mut self, index: usize, error: TryError) -> Result<(), CallError> {
        let now = self.inner.dialler.clock.now();
        tracing::debug!(
            replica = %self.inner.picker.replicas()[index].address.name,
            path = self.method.path,
            %error,
            "try failed"
        );
        self.inner.picker.replicas()[index].failed(now);
        self.inner.picker.not_leader(index);
        self.unknown |=
            matches!(error, TryError::Broken(_) | TryError::Unsure(_) | TryError::Silent);
        self.last = Some((index, error));
        let waited = now.since(self.started);
        let hopeless =
            !self.connected && self.inner.unreachable_after.is_some_and(|limit| waited >= limit);
        if hopeless || now >= self.deadline || self.attempts >= self.options.tries {
            return Err(self.give_up(waited));
        }
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), CallError> {
        self.rounds = self.rounds.saturating_add(1);
        let clock = &self.inner.dialler.clock;
        let pause = self.backoff.next(rand::random());
        clock.sleep_until(self.deadline.min(clock.now() + pause)).await;
        let now = clock.now();
        if now >= self.deadline {
            return Err(self.give_up(now.since(self.started)));
        }
        Ok(())
    }

    fn give_up(&mut self, waited: Duration) -> CallError {
        let endpoints = self.inner.endpoints.clone();
        let attempts = self.attempts;
        let repeat_as = self
            .request_id
            .as_ref()
            .filter(|_| self.unknown && self.method.writes)
            .and_then(|id| id.to_str().ok().map(str::to_owned));
        let last = self.last.take();
        let last_words = match &last {
            Some((index, error)) => {
                format!("{}: {error}", self.inner.picker.replicas()[*index].address.name)
            }
            None => "no try was made".to_owned(),
        };
        match last {
            Some((_, TryError::Connect(_) | TryError::Unavailable(_) | TryError::Unsure(_))) => {
                CallError::Unreachable { waited, endpoints, attempts, last: last_words, repeat_as }
            }
            Some((_, TryError::Broken(_) | TryError::Silent)) | None => {
                CallError::TimedOut { waited, endpoints, attempts, last: last_words, repeat_as }
            }
        }
    }
}

/// Whether a replica that found no leader in time had one that it handed the call to.
fn may_have_been_carried_out(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.metadata.get("effect").is_some_and(|effect| effect == "unknown"))
}
