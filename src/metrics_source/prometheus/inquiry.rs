use std::sync::Arc;

use navarch_host::{Spawner, TaskHandle};
use navarch_proto::fleet::PrometheusSpec;
use tokio::sync::watch;

/// One query of one pool, as it was asked last.
#[derive(Clone)]
pub(super) struct Inquiry {
    spec: Arc<PrometheusSpec>,
    query: Arc<str>,
    asked_ms: u64,
    answer: watch::Receiver<Option<Result<f64, String>>>,
    /// The answer of the time before.
    before: Option<Outcome>,
    /// Held until the next one takes its place.
    _call: Arc<Call>,
}

/// An answer, and when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// LogTime, in milliseconds since the Unix epoch.
    pub(super) asked_ms: u64,
    /// The number, or why there is none.
    pub(super) answer: Result<f64, String>,
}

/// A call that ends when nobody waits for it any more, so that a changed query leaves none behind.
struct Call(TaskHandle);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inquiry {
    /// Begins a call. The one before must have ended, or asked for something else.
    pub(super) fn begin(
        (spec, query): (&PrometheusSpec, &str),
        before: Option<&Self>,
        now_ms: u64,
        (spawner, call): (&dyn Spawner, impl Future<Output = Result<f64, String>> + Send + 'static),
    ) -> Self {
        let (sender, answer) = watch::channel(None);
        let task = spawner.spawn("prometheus-query", async move {
            sender.send_replace(Some(call.await));
        });
        Self {
            before: before.filter(|before| before.serves(spec, query)).and_then(Self::latest),
            spec: Arc::new(spec.clone()),
            query: Arc::from(query),
            asked_ms: now_ms,
            answer,
            _call: Arc::new(Call(task)),
        }
    }

    /// Whether it asks that server for that.
    pub(super) fn serves(&self, spec: &PrometheusSpec, query: &str) -> bool {
        *self.spec == *spec && *self.query == *query
    }

    /// Whether it is time to ask again: once an interval, passes being a little early or late, and never while a
    /// call is under way.
    pub(super) fn is_due(&self, now_ms: u64, interval_ms: u64) -> bool {
        let under_way = self.answer.borrow().is_none() && self.answer.has_changed().is_ok();
        let rest_ms = interval_ms - interval_ms / 10;
        !under_way && self.asked_ms.saturating_add(rest_ms) <= now_ms
    }

    /// Waits until the call has ended.
    pub(super) async fn answered(&self) {
        // An error is the end of a call that was given up.
        let _ = self.answer.clone().wait_for(Option::is_some).await;
    }

    /// The newest answer; while a call is under way that of the one before.
    pub(super) fn latest(&self) -> Option<Outcome> {
        let answer = self.answer.borrow().clone();
        let asked_ms = self.asked_ms;
        answer.map(|answer| Outcome { asked_ms, answer }).or_else(|| self.before.clone())
    }
}
