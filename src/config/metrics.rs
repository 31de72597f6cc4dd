use navarch_proto::fleet::{PoolMetricsSpec, PrometheusSpec};

use super::{
    address::check_url, nearest::nearest, providers::variable, section::Section, values::Zero,
};

pub(super) const KEYS: [&str; 2] = ["order", "prometheus"];
pub(super) const PROMETHEUS_KEYS: [&str; 4] = ["url", "queries", "timeout", "token_env"];
pub(super) const QUERY_KEYS: [&str; 3] = ["utilization", "pending_jobs", "queue_depth"];
/// The sources that every build has.
const SOURCES: [&str; 3] = ["pushed", "prometheus", "heartbeats"];
/// How the names of sources begin that belong to the program which embeds the control plane.
const OWN_PREFIX: &str = "x-";

const DEFAULT_TIMEOUT_MS: u64 = 5_000;
const LONGEST_TIMEOUT_MS: u64 = 60_000;

/// Reads a pool's `metrics` block; none if the key is absent.
pub(crate) fn read(pool: &Section<'_>) -> Option<PoolMetricsSpec> {
    let section = pool.section("metrics", &KEYS)?;
    let order = order(&section);
    let prometheus = section.section("prometheus", &PROMETHEUS_KEYS);
    let prometheus = prometheus.map(|section| read_prometheus(&section));
    let asked = order.is_empty() || order.iter().any(|name| name == "prometheus");
    match (asked, prometheus.is_some()) {
        (false, true) => section.warning("prometheus", "not asked: `order` does not name it"),
        (true, false) if !order.is_empty() => {
            section.problem("order", "names `prometheus`, and there is no `prometheus` block");
        }
        (true | false, true | false) => {}
    }
    Some(PoolMetricsSpec { order, prometheus })
}

fn order(section: &Section<'_>) -> Vec<String> {
    let Some(order) = section.texts("order") else { return Vec::new() };
    if order.is_empty() {
        section.problem("order", "names no source; leave the key out for the default");
    }
    for (place, name) in order.iter().enumerate() {
        if order[..place].contains(name) {
            section.problem("order", format!("`{name}` is named twice"));
        }
        if SOURCES.contains(&name.as_str()) || name.starts_with(OWN_PREFIX) {
            continue;
        }
        let hint = match nearest(name, &SOURCES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}, or `{OWN_PREFIX}...`", SOURCES.join(", ")),
        };
        section.problem("order", format!("unknown source `{name}`; {hint}"));
    }
    order
}

fn read_prometheus(section: &Section<'_>) -> PrometheusSpec {
    let url = section.required_text("url", "http://127.0.0.1:9090").unwrap_or_default();
    if !url.is_empty()
        && let Err(message) = check_base(&url)
    {
        section.problem("url", message);
    }
    let timeout_ms = section.duration_ms("timeout", Zero::Refused).unwrap_or(DEFAULT_TIMEOUT_MS);
    if timeout_ms > LONGEST_TIMEOUT_MS {
        section.problem("timeout", format!("{timeout_ms} ms is longer than `1m`"));
    }
    let queries = section.section("queries", &QUERY_KEYS);
    let query = |key| queries.as_ref().and_then(|queries| queries.text(key)).unwrap_or_default();
    let spec = PrometheusSpec {
        url,
        utilization_query: query("utilization"),
        pending_jobs_query: query("pending_jobs"),
        queue_depth_query: query("queue_depth"),
        timeout_ms,
        token_env: variable(section, "token_env"),
    };
    let asked = [&spec.utilization_query, &spec.pending_jobs_query, &spec.queue_depth_query];
    if asked.iter().all(|query| query.is_empty()) {
        section.missing("queries", "{queue_depth: 'sum(slurm_jobs)'}");
    }
    spec
}

/// A URL that a path can follow. What may be a password is not repeated.
fn check_base(url: &str) -> Result<(), String> {
    if url.contains('@') {
        return Err("holds a user name or password; use `token_env`".to_owned());
    }
    check_url(url)?;
    if url.contains(['?', '#']) {
        return Err(format!("`{url}` has a query or a fragment; give the server's address alone"));
    }
    Ok(())
}
