use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use navarch_host::{Clock, guarded, panic_message};
use navarch_proto::fleet::PoolSpec;

use super::{Figure, Figures, MetricsSource, Question, Round};
use crate::scaling::{Needs, Origins, Sample};

/// How long one source may take over one pool.
const SOURCE_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of one source's reason.
const MAX_REASON_BYTES: usize = 200;

/// The sources that there are. Each figure comes from the first source in a pool's order that has it.
pub struct Sources {
    clock: Clock,
    /// By their names.
    sources: Vec<(String, Arc<dyn MetricsSource>)>,
}

/// The figures of a pool, as far as any source has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Percent, 0 to 100.
    pub utilization: Option<f64>,
    /// Earlier samples from the same source, oldest first.
    pub history: Vec<Sample>,
    /// Jobs that wait.
    pub pending_jobs: Option<u32>,
    /// Jobs that wait or run.
    pub queue_depth: Option<u32>,
    /// Who told which and when, or why nobody did.
    pub origins: Origins,
}

impl Sources {
    /// None yet; `clock` measures how long one may take.
    pub fn new(clock: Clock) -> Self {
        Self { clock, sources: Vec::new() }
    }

    /// One more, asked after the others unless a pool's `metrics.order` says otherwise.
    #[must_use]
    pub fn with(mut self, source: Arc<dyn MetricsSource>) -> Self {
        self.sources.push((source.name().to_owned(), source));
        self
    }

    /// Tells all of them what a pass is going to ask.
    pub fn prepare(&self, round: Round<'_>) {
        for (name, source) in &self.sources {
            // One that fails here is asked all the same, and says then what it lacks.
            let prepared = catch_unwind(AssertUnwindSafe(|| source.prepare(round)));
            if let Err(panic) = prepared {
                tracing::warn!(source = name, panic = panic_message(&*panic), "a source panicked");
            }
        }
    }

    /// Asks for a pool's figures. A source is asked only for what those before it do not have.
    pub async fn ask(&self, question: Question<'_>) -> Found {
        let mut search = Search::new(question);
        for name in self.order(question.pool) {
            let needs = search.open();
            if needs.is_none() {
                break;
            }
            let Some((_, source)) = self.sources.iter().find(|(known, _)| known == name) else {
                search.take(name, lacking("the leader's program has no such source"));
                continue;
            };
            search.take(name, self.ask_one(&**source, Question { needs, ..question }).await);
        }
        search.found()
    }

    /// A source may be anybody's: one that hangs or panics has no data, and the others are asked all the same.
    async fn ask_one(&self, source: &dyn MetricsSource, question: Question<'_>) -> Figures {
        let asked = async { source.figures(question).await };
        let asked = guarded(&self.clock, SOURCE_LIMIT, asked).await;
        asked.unwrap_or_else(|mishap| lacking(&format!("it {mishap}")))
    }

    fn order<'a>(&'a self, pool: &'a PoolSpec) -> Vec<&'a str> {
        match pool.metrics.as_ref().map(|metrics| &metrics.order) {
            Some(order) if !order.is_empty() => order.iter().map(String::as_str).collect(),
            Some(_) | None => self.sources.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }
}

/// No data on anything.
fn lacking(why: &str) -> Figures {
    Figures {
        utilization: Figure::missing(why),
        pending_jobs: Figure::missing(why),
        queue_depth: Figure::missing(why),
        ..Figures::default()
    }
}

/// What has been found of a pool's figures so far.
struct Search {
    needs: Needs,
    now_ms: u64,
    utilization: Quest<f64>,
    history: Vec<Sample>,
    pending_jobs: Quest<u32>,
    queue_depth: Quest<u32>,
}

/// One figure: the value with its origin, or what each source lacks.
struct Quest<T> {
    found: Option<(T, String)>,
    missing: Vec<String>,
}

impl<T> Quest<T> {
    fn new() -> Self {
        Self { found: None, missing: Vec::new() }
    }

    /// Whether it is needed still.
    fn is_open(&self, needed: bool) -> bool {
        needed && self.found.is_none()
    }

    /// Takes what `source` has; answers whether that is the figure that holds.
    fn take(&mut self, source: &str, now_ms: u64, figure: Figure<T>) -> bool {
        match figure {
            Figure::NotTold => false,
            Figure::Missing(why) => {
                let why = &why[..why.floor_char_boundary(MAX_REASON_BYTES)];
                self.missing.push(format!("{source}: {why}"));
                false
            }
            Figure::Known(reading) => {
                let age_s = now_ms.saturating_sub(reading.at_ms) / 1_000;
                self.found = Some((reading.value, format!("{source} {age_s} s ago")));
                true
            }
        }
    }

    fn end(self, needed: bool) -> (Option<T>, String) {
        match self.found {
            Some((value, origin)) => (Some(value), origin),
            None if !needed => (None, String::new()),
            None if self.missing.is_empty() => (None, "no source tells it".to_owned()),
            None => (None, self.missing.join("; ")),
        }
    }
}

impl Search {
    fn new(question: Question<'_>) -> Self {
        Self {
            needs: question.needs,
            now_ms: question.now_ms,
            utilization: Quest::new(),
            history: Vec::new(),
            pending_jobs: Quest::new(),
            queue_depth: Quest::new(),
        }
    }

    /// What is needed still. History goes with its utilisation: another source's may measure another thing.
    fn open(&self) -> Needs {
        let utilization = self.utilization.is_open(self.needs.utilization);
        Needs {
            utilization,
            history: utilization && self.needs.history,
            pending_jobs: self.pending_jobs.is_open(self.needs.pending_jobs),
            queue_depth: self.queue_depth.is_open(self.needs.queue_depth),
        }
    }

    fn take(&mut self, source: &str, answer: Figures) {
        let (open, now_ms) = (self.open(), self.now_ms);
        if open.utilization && self.utilization.take(source, now_ms, percent(answer.utilization)) {
            self.history = answer.history;
        }
        if open.pending_jobs {
            self.pending_jobs.take(source, now_ms, answer.pending_jobs);
        }
        if open.queue_depth {
            self.queue_depth.take(source, now_ms, answer.queue_depth);
        }
    }

    fn found(self) -> Found {
        let (utilization, of_utilization) = self.utilization.end(self.needs.utilization);
        let (pending_jobs, of_pending_jobs) = self.pending_jobs.end(self.needs.pending_jobs);
        let (queue_depth, of_queue_depth) = self.queue_depth.end(self.needs.queue_depth);
        let origins = Origins {
            utilization: of_utilization,
            pending_jobs: of_pending_jobs,
            queue_depth: of_queue_depth,
        };
        Found { utilization, history: self.history, pending_jobs, queue_depth, origins }
    }
}

/// A source may be anybody's; what is no percentage is no data.
fn percent(figure: Figure<f64>) -> Figure<f64> {
    match figure {
        Figure::Known(reading) if !(0.0..=100.0).contains(&reading.value) => {
            Figure::missing("the value is no percentage from 0 to 100")
        }
        Figure::Known(_) | Figure::Missing(_) | Figure::NotTold => figure,
    }
}

#[cfg(test)]
#[path = "sources_test.rs"]
mod tests;
