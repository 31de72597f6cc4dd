use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::{
    bench::{Bench, bench},
    progress,
};
use crate::{
    error::ChaosError,
    etcd::{EtcdGroup, Puts, PutsFound},
    host::Host,
    proc::{Group, GroupOptions},
    report::{Report, Spread},
};

/// Replicas of etcd, as many as of ours by default.
const REPLICAS: usize = 3;

/// With more clients than one, at least this part of etcd's rate and at most this part of its p99 is claimed.
const LEAST_RATE: f64 = 1.3;
const MOST_P99: f64 = 0.7;

/// `navarch-chaos etcd`
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// The etcd program.
    pub program: PathBuf,
    /// Clients of each round.
    pub clients: Vec<usize>,
    /// How long each side writes in a round.
    pub duration: Duration,
    /// Rounds for each number of clients.
    pub rounds: usize,
    /// Whether figures that fall short of what is claimed are violations.
    pub judge: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EtcdReport {
    /// The version of etcd.
    pub etcd_version: String,
    /// Each round, in order.
    pub rounds: Vec<EtcdRound>,
    /// The medians of the rounds' ratios, by the number of clients: what is judged, for a shared machine is
    /// slower in one round than in the next.
    pub medians: Vec<Ratios>,
    /// What must not be: failed writes, and figures below the claim where that is asked for.
    pub violations: Vec<String>,
}

/// Both sides with as many clients, one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct EtcdRound {
    /// How many.
    pub clients: usize,
    /// Ours.
    pub navarch: Load,
    /// Theirs.
    pub etcd: Load,
    /// Our rate by theirs.
    pub rate_ratio: f64,
    /// Our p50 by theirs.
    pub p50_ratio: f64,
    /// Our p99 by theirs.
    pub p99_ratio: f64,
}

/// Our figures by theirs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratios {
    /// How many.
    pub clients: usize,
    /// Writes a second.
    pub rate: f64,
    /// Half of the writes took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

/// One side of a round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Load {
    /// Writes acknowledged a second.
    pub rate_per_s: f64,
    /// Half of them took no longer, milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took no longer, milliseconds.
    pub p99_ms: f64,
    /// Writes that failed.
    pub failed: u64,
}

/// Has as many clients make durable writes of 256 bytes at three replicas of etcd and at a group of ours, in
/// turns, on the same disk and the same processors.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn etcd(
    host: &Host,
    group: GroupOptions,
    options: EtcdOptions,
) -> Result<EtcdReport, ChaosError> {
    let mut report = EtcdReport::default();
    for number in 0..options.rounds {
        // Each round begins with two empty stores, so that none measures what the ones before left behind.
        let directory = group.directory.as_ref();
        let directory = directory.map(|all| all.join(format!("round-{}", number + 1)));
        let ours = Group::start(host, GroupOptions { directory, ..group.clone() }).await?;
        let directory = ours.directory().join("etcd");
        let mut theirs =
            EtcdGroup::start(host, &options.program, &directory, (REPLICAS, false)).await?;
        for (at, &clients) in options.clients.iter().enumerate() {
            let puts = Puts { clients, duration: options.duration };
            let (leader, version) = theirs.leader().await?;
            report.etcd_version = version;
            let etcd = Load::of(&puts.run(host, &leader).await?);
            let navarch = writes(&group.program, &ours, puts).await?;
            let round = EtcdRound::new(clients, navarch, etcd);
            report.violations.extend(round.complaints());
            report.rounds.push(round);
            let (done, all) = (number * options.clients.len() + at + 1, options.clients.len());
            progress::say(done, all * options.rounds, &format!("{clients} clients"));
        }
    }
    let medians = options.clients.iter().map(|&clients| Ratios::median(clients, &report.rounds));
    report.medians = medians.collect();
    if options.judge {
        report.violations.extend(report.medians.iter().flat_map(Ratios::complaints));
    }
    Ok(report)
}

/// Our side, by the command that people have for it.
async fn writes(program: &Path, group: &Group, puts: Puts) -> Result<Load, ChaosError> {
    let (clients, duration) =
        (puts.clients.to_string(), format!("{}ms", puts.duration.as_millis()));
    let arguments = ["writes", "--clients", &clients, "--duration", &duration].map(str::to_owned);
    let Bench { failed, rate_per_s, latency_ms } =
        bench(program, &group.addresses(), &arguments).await?;
    Ok(Load { rate_per_s, p50_ms: latency_ms.p50, p99_ms: latency_ms.p99, failed })
}

impl Load {
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn of(found: &PutsFound) -> Self {
        let Spread { p50_ms, p99_ms, .. } = Spread::of(&found.latencies);
        let seconds = found.took.as_secs_f64().max(f64::MIN_POSITIVE);
        let rate_per_s = (found.latencies.len() as f64 / seconds).round();
        Self { rate_per_s, p50_ms, p99_ms, failed: found.failures.len() as u64 }
    }
}

impl EtcdRound {
    fn new(clients: usize, navarch: Load, etcd: Load) -> Self {
        let ratio = |ours: f64, theirs: f64| {
            if theirs > 0.0 { (ours / theirs * 100.0).round() / 100.0 } else { 0.0 }
        };
        Self {
            clients,
            navarch,
            etcd,
            rate_ratio: ratio(navarch.rate_per_s, etcd.rate_per_s),
            p50_ratio: ratio(navarch.p50_ms, etcd.p50_ms),
            p99_ratio: ratio(navarch.p99_ms, etcd.p99_ms),
        }
    }

    fn complaints(&self) -> Vec<String> {
        let Self { clients, navarch, etcd, .. } = self;
        let mut complaints = Vec::new();
        for (name, load) in [("navarch", navarch), ("etcd", etcd)] {
            if load.failed > 0 {
                complaints
                    .push(format!("{clients} clients: {} writes of {name} failed", load.failed));
            }
        }
        complaints
    }
}

impl Ratios {
    /// The medians of the rounds with as many clients.
    fn median(clients: usize, rounds: &[EtcdRound]) -> Self {
        let middle = |ratio: fn(&EtcdRound) -> f64| {
            let alike = rounds.iter().filter(|round| round.clients == clients);
            let mut ratios: Vec<_> = alike.map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            ratios.get(ratios.len() / 2).copied().unwrap_or_default()
        };
        Self {
            clients,
            rate: middle(|round| round.rate_ratio),
            p50: middle(|round| round.p50_ratio),
            p99: middle(|round| round.p99_ratio),
        }
    }

    fn complaints(&self) -> Vec<String> {
        let Self { clients, rate, p99, .. } = *self;
        let mut complaints = Vec::new();
        let least_rate = if clients == 1 { 1.0 } else { LEAST_RATE };
        if rate < least_rate {
            complaints.push(format!(
                "{clients} clients: {rate:.2} of etcd's rate, {least_rate} is claimed"
            ));
        }
        if clients > 1 && p99 > MOST_P99 {
            complaints
                .push(format!("{clients} clients: {p99:.2} of etcd's p99, {MOST_P99} is claimed"));
        }
        complaints
    }
}

impl Report for EtcdReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let header = ["clients", "", "writes/s", "p50 ms", "p99 ms", "failed"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for round in &self.rounds {
            let mut clients = round.clients.to_string();
            let etcd = format!("etcd {}", self.etcd_version);
            for (name, load) in [(etcd.as_str(), round.etcd), ("navarch", round.navarch)] {
                rows.push(vec![
                    std::mem::take(&mut clients),
                    name.to_owned(),
                    format!("{:.0}", load.rate_per_s),
                    format!("{:.2}", load.p50_ms),
                    format!("{:.2}", load.p99_ms),
                    load.failed.to_string(),
                ]);
            }
            let ratios = [round.rate_ratio, round.p50_ratio, round.p99_ratio];
            let mut row = vec![String::new(), "ratio".to_owned()];
            row.extend(ratios.map(|ratio| format!("{ratio:.2}")));
            rows.push(row);
        }
        for Ratios { clients, rate, p50, p99 } in &self.medians {
            let mut row = vec![clients.to_string(), "median ratio".to_owned()];
            row.extend([rate, p50, p99].map(|ratio| format!("{ratio:.2}")));
            rows.push(row);
        }
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate_per_s: f64, p99_ms: f64) -> Load {
        Load { rate_per_s, p50_ms: 1.0, p99_ms, failed: 0 }
    }

    /// Without it a release could be slower than what it claims, and say nothing.
    #[test]
    fn figures_below_the_claim_are_told_where_asked_for() {
        let table = [
            (64, load(1_300.0, 7.0), 0),
            (64, load(1_290.0, 7.0), 1),
            (64, load(1_290.0, 7.1), 2),
            (1, load(1_000.0, 10.0), 0),
            (1, load(990.0, 10.0), 1),
        ];
        for (clients, navarch, complaints) in table {
            let round = EtcdRound::new(clients, navarch, load(1_000.0, 10.0));
            assert!(round.complaints().is_empty());
            let ratios = Ratios::median(clients, &[round]);
            assert_eq!(ratios.complaints().len(), complaints, "{ratios:?}");
        }
        let failing = Load { failed: 1, ..load(9_000.0, 1.0) };
        assert_eq!(EtcdRound::new(1, failing, load(1.0, 1.0)).complaints().len(), 1);
    }

    /// Without it one slow second of a shared machine would decide.
    #[test]
    fn the_middle_round_is_judged() {
        let round = |rate| EtcdRound::new(64, load(rate, 5.0), load(1_000.0, 10.0));
        let rounds = [round(2_000.0), round(500.0), round(1_400.0)];
        assert!((Ratios::median(64, &rounds).rate - 1.4).abs() < 1e-9);
        assert!(Ratios::median(1, &rounds).rate.abs() < 1e-9);
    }
}
