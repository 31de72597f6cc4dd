//! Queries of a Prometheus server.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | [`Prometheus`]: the source |
//! | `inquiry` | one query of one pool: asked again now and then, never twice at once |
//! | `server` | a server's HTTP interface, bounded |
//! | `answer` | the one number in an answer, or why there is none |

mod answer;
mod inquiry;
mod server;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use navarch_fleet::{FleetState, limits::MAX_POOLS};
use navarch_host::{Clock, Spawner};
use navarch_proto::fleet::PrometheusSpec;

use self::{
    inquiry::{Inquiry, Outcome},
    server::Server,
};
use super::{Figure, Figures, MetricsSource, Question, Reading, histories::Histories};
use crate::scaling::Sample;

/// Reads a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How long an answer is waited for before the one before it is taken. The query goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// Servers remembered; more are those of configurations that are gone.
const MAX_SERVERS: usize = MAX_POOLS;

/// The figures that a Prometheus server answers to a pool's queries. Whatever is not one finite number (an empty
/// answer, several series, NaN, an error, silence) is no data, never zero.
pub struct Prometheus {
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    environment: Environment,
    servers: Mutex<BTreeMap<ServerKey, Result<Arc<Server>, String>>>,
    inquiries: Mutex<BTreeMap<(String, What), Inquiry>>,
    histories: Histories,
}

/// Its url, and the variable that holds its token.
type ServerKey = (String, String);

/// Which figure a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Utilization,
    PendingJobs,
    QueueDepth,
}

impl Prometheus {
    /// Asks nothing yet. Tokens are read with `environment`.
    pub fn new(clock: Clock, spawner: Arc<dyn Spawner>, environment: Environment) -> Self {
        Self {
            clock,
            spawner,
            environment,
            servers: Mutex::default(),
            inquiries: Mutex::default(),
            histories: Histories::default(),
        }
    }

    fn server(&self, spec: &PrometheusSpec) -> Result<Arc<Server>, String> {
        let mut servers = lock(&self.servers);
        let key = (spec.url.clone(), spec.token_env.clone());
        if servers.len() >= MAX_SERVERS && !servers.contains_key(&key) {
            servers.clear();
        }
        let make = || Server::new(spec, &self.environment).map(Arc::new);
        servers.entry(key).or_insert_with(make).clone()
    }

    /// Asks where that is due, and answers the inquiry as it stands.
    fn inquire(&self, question: Question<'_>, spec: &PrometheusSpec, what: What) -> Inquiry {
        let Question { fleet, pool, now_ms, .. } = question;
        let mut inquiries = lock(&self.inquiries);
        if inquiries.len() >= 3 * MAX_POOLS {
            inquiries.retain(|(pool, _), _| fleet.pool_spec(pool).is_some());
        }
        let key = (pool.name.clone(), what);
        let before = inquiries.get(&key);
        if let Some(inquiry) = before
            && inquiry.serves(spec, query(spec, what))
            && !inquiry.is_due(now_ms, fleet.settings().autoscale_interval_ms)
        {
            return inquiry.clone();
        }
        let inquiry = self.ask(spec, what, before, now_ms);
        inquiries.insert(key, inquiry.clone());
        inquiry
    }

    fn ask(
        &self,
        spec: &PrometheusSpec,
        what: What,
        before: Option<&Inquiry>,
        now_ms: u64,
    ) -> Inquiry {
        let (clock, text) = (self.clock.clone(), query(spec, what).to_owned());
        let limit = Duration::from_millis(spec.timeout_ms);
        let server = self.server(spec);
        let asked = async move {
            match server {
                Ok(server) => server.ask(&text, &clock, limit).await,
                Err(reason) => Err(reason),
            }
        };
        Inquiry::begin((spec, query(spec, what)), before, now_ms, (&*self.spawner, asked))
    }
}

fn query(spec: &PrometheusSpec, what: What) -> &str {
    match what {
        What::Utilization => &spec.utilization_query,
        What::PendingJobs => &spec.pending_jobs_query,
        What::QueueDepth => &spec.queue_depth_query,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The figure of an inquiry, if it is not too old.
fn figure(inquiry: Option<&Inquiry>, fleet: &FleetState, now_ms: u64) -> Figure<f64> {
    let Some(inquiry) = inquiry else { return Figure::NotTold };
    match inquiry.latest() {
        None => Figure::missing("no answer yet"),
        Some(Outcome { asked_ms, answer }) => {
            let stale_ms = 3 * fleet.settings().autoscale_interval_ms;
            match answer {
                Err(reason) => Figure::Missing(reason),
                Ok(_) if asked_ms.saturating_add(stale_ms) < now_ms => {
                    Figure::missing("no answer lately")
                }
                Ok(number) => Figure::known(number, asked_ms),
            }
        }
    }
}

fn jobs(figure: Figure<f64>) -> Figure<u32> {
    match figure {
        Figure::NotTold => Figure::NotTold,
        Figure::Missing(reason) => Figure::Missing(reason),
        Figure::Known(Reading { value, at_ms }) => match answer::count(value) {
            Ok(count) => Figure::known(count, at_ms),
            Err(reason) => Figure::Missing(reason),
        },
    }
}

#[async_trait]
impl MetricsSource for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    async fn figures(&self, question: Question<'_>) -> Figures {
        let Question { fleet, pool, needs, now_ms } = question;
        let spec = pool.metrics.as_ref().and_then(|metrics| metrics.prometheus.as_ref());
        let Some(spec) = spec else { return Figures::default() };
        let inquiries = [
            (What::Utilization, needs.utilization),
            (What::PendingJobs, needs.pending_jobs),
            (What::QueueDepth, needs.queue_depth),
        ]
        .map(|(what, needed)| {
            let asked = needed && !query(spec, what).is_empty();
            asked.then(|| self.inquire(question, spec, what))
        });
        let answers = join_all(inquiries.iter().flatten().map(Inquiry::answered));
        // Whoever is late answers the next pass.
        let _ = self.clock.timeout(PATIENCE, answers).await;
        let [utilization, pending_jobs, queue_depth] =
            inquiries.each_ref().map(|inquiry| figure(inquiry.as_ref(), fleet, now_ms));
        let history = match &utilization {
            Figure::Known(reading) if needs.history => {
                let sample = Sample { at_ms: reading.at_ms, utilization: reading.value };
                self.histories.note(&pool.name, sample, 0)
            }
            Figure::Known(_) | Figure::Missing(_) | Figure::NotTold => Vec::new(),
        };
        let (pending_jobs, queue_depth) = (jobs(pending_jobs), jobs(queue_depth));
        Figures { utilization, history, pending_jobs, queue_depth }
    }
}
