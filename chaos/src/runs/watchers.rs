use std::{path::Path, time::Duration};

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use navarch::{
    client::{CallOptions, Client, rpc::ListEvents},
    config::parse_duration,
};
use navarch_proto::api;
use serde::Serialize;

use super::{
    bench::{Bench, bench},
    crowd::Crowd,
    progress,
};
use crate::{
    error::ChaosError,
    host::Host,
    proc::{Group, GroupOptions},
    report::{Report, millis},
};

/// Limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// How long a watcher that resumes may take, and how much slower writes may become, percent.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(2);
const MOST_SLOWER_PERCENT: f64 = 20.0;
/// Clients that fill the journal.
const FILLERS: &str = "256";

/// What watchers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Watching {
    /// Each a node of its own.
    OneNode,
    /// All of the journal.
    Everything,
}

/// `navarch-chaos watchers`
#[derive(Args, Clone, Copy, Debug)]
pub struct WatchersOptions {
    /// Watchers at once
    #[arg(long, default_value_t = 1_000)]
    pub watchers: usize,
    /// What they follow
    #[arg(long, value_enum, default_value = "everything")]
    pub watching: Watching,
    /// How many events back one watcher resumes
    #[arg(long, default_value_t = 100_000)]
    pub events: u64,
    /// Clients that write
    #[arg(long, default_value_t = 16)]
    pub clients: usize,
    /// How long each side of a round writes
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Fail where the figures are below what Navarch claims
    #[arg(long)]
    pub judge: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct WatchersReport {
    /// Events that one watcher was behind.
    pub events: u64,
    /// How long it took to catch up, seconds.
    pub catch_up_s: f64,
    /// Watchers at once.
    pub watchers: usize,
    /// Writes a second without them, the median.
    pub alone_per_s: f64,
    /// Writes a second with them, the median.
    pub watched_per_s: f64,
    /// How much slower with them than without them just before, the median, percent.
    pub slower_percent: f64,
    /// What the watchers were sent in all, bytes.
    pub told_bytes: u64,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has one watcher resume far back in the journal, and many follow it while others write.
///
/// # Errors
///
/// If the run cannot be carried out.
pub async fn watchers(
    host: &Host,
    group: GroupOptions,
    options: WatchersOptions,
) -> Result<WatchersReport, ChaosError> {
    let program = group.program.clone();
    let group = Group::start(host, group).await?;
    let client = group.client()?;
    fill(&program, &group, &client, options.events).await?;
    let (events, catch_up) = catch_up(host, &client, options.events).await?;
    let (mut alone, mut watched, mut told_bytes, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    for round in 1..=options.rounds {
        let before = writes(&program, &group, options).await?;
        let subject = |number| match options.watching {
            Watching::Everything => String::new(),
            Watching::OneNode => format!("node/watched-{number}"),
        };
        let crowd = Crowd::gather(host, &group, options.watchers, subject).await?;
        let with = writes(&program, &group, options).await?;
        told_bytes += crowd.leave().await?;
        failed += before.failed + with.failed;
        alone.push(before.rate_per_s);
        watched.push(with.rate_per_s);
        progress::say(round, options.rounds, "rounds");
    }
    let slower: Vec<_> = alone
        .iter()
        .zip(&watched)
        .map(|(alone, watched)| 100.0 * (1.0 - watched / alone))
        .collect();
    let mut report = WatchersReport {
        events,
        catch_up_s: millis(catch_up) / 1_000.0,
        watchers: options.watchers,
        alone_per_s: median(alone),
        watched_per_s: median(watched),
        slower_percent: (median(slower) * 10.0).round() / 10.0,
        told_bytes,
        violations: Vec::new(),
    };
    report.violations = report.complaints(options, failed);
    Ok(report)
}

/// Writes until the journal has had so many events.
async fn fill(
    program: &Path,
    group: &Group,
    client: &Client,
    events: u64,
) -> Result<(), ChaosError> {
    while ends(client).await?.1 < events {
        let arguments = ["writes", "--clients", FILLERS, "--duration", "5s"];
        bench(program, &group.addresses(), &arguments.map(str::to_owned)).await?;
    }
    Ok(())
}

/// The indices of the oldest event that is kept and of the newest.
async fn ends(client: &Client) -> Result<(u64, u64), ChaosError> {
    let request = api::ListEventsRequest { since: u64::MAX, ..Default::default() };
    let answer = client.call::<ListEvents>(request, &CallOptions::within(CALL_LIMIT)).await;
    let answer = answer.map_err(ChaosError::call("look for the ends of the journal"))?.message;
    Ok((answer.first_index, answer.last_index))
}

/// How many events a watcher that resumes so many back is sent, and how long that takes.
async fn catch_up(
    host: &Host,
    client: &Client,
    events: u64,
) -> Result<(u64, Duration), ChaosError> {
    let (first, last) = ends(client).await?;
    // The journal's bytes are bounded too, so that it may not go back as far.
    let since = last.saturating_sub(events).max(first.saturating_sub(1));
    let begun = host.clock.now();
    let request = api::WatchEventsRequest { since: Some(since), ..Default::default() };
    let stream = client.watch_events(request).await;
    let mut stream = stream.map_err(ChaosError::call("watch the journal"))?;
    let mut told = 0;
    while let Some(event) = stream.next().await {
        let event = event.map_err(|status| watcher(&status.to_string()))?;
        told += 1;
        if event.index >= last {
            return Ok((told, host.clock.now().since(begun)));
        }
    }
    Err(watcher("the stream ended early"))
}

fn watcher(problem: &str) -> ChaosError {
    ChaosError::Tool { program: "a watcher".to_owned(), problem: problem.to_owned() }
}

async fn writes(
    program: &Path,
    group: &Group,
    WatchersOptions { clients, duration, .. }: WatchersOptions,
) -> Result<Bench, ChaosError> {
    let duration = format!("{}ms", duration.as_millis());
    let arguments = ["writes", "--clients", &clients.to_string(), "--duration", &duration];
    bench(program, &group.addresses(), &arguments.map(str::to_owned)).await
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

impl WatchersReport {
    fn complaints(&self, options: WatchersOptions, failed: u64) -> Vec<String> {
        let mut complaints = Vec::new();
        if failed > 0 {
            complaints.push(format!("{failed} writes failed"));
        }
        if options.watching == Watching::Everything && self.told_bytes == 0 {
            complaints.push("the watchers were told nothing".to_owned());
        }
        if options.judge && self.catch_up_s > LONGEST_CATCH_UP.as_secs_f64() {
            complaints.push(format!(
                "{} events took {:.1} s, {LONGEST_CATCH_UP:?} is claimed",
                self.events, self.catch_up_s
            ));
        }
        if options.judge && self.slower_percent > MOST_SLOWER_PERCENT {
            complaints.push(format!(
                "writes are {} % slower, {MOST_SLOWER_PERCENT} % is claimed",
                self.slower_percent
            ));
        }
        complaints
    }
}

impl Report for WatchersReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row(
                "a watcher that resumes",
                format!("{} events in {:.2} s", self.events, self.catch_up_s),
            ),
            row("writes alone", format!("{:.0}/s", self.alone_per_s)),
            row(
                &format!("writes with {} watchers", self.watchers),
                format!("{:.0}/s, {:.1} % slower", self.watched_per_s, self.slower_percent),
            ),
            row("sent to them", format!("{} MB", self.told_bytes / 1_000_000)),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a release could let watchers slow writes more than it claims, and say nothing.
    #[test]
    fn figures_over_the_claim_are_told_where_asked_for() {
        let options = |watching, judge| WatchersOptions {
            watchers: 1,
            watching,
            events: 1,
            clients: 1,
            duration: Duration::ZERO,
            rounds: 1,
            judge,
        };
        let report = |catch_up_s, slower_percent, told_bytes| WatchersReport {
            events: 1,
            catch_up_s,
            watchers: 1,
            alone_per_s: 1.0,
            watched_per_s: 1.0,
            slower_percent,
            told_bytes,
            violations: Vec::new(),
        };
        for (report, failed, complaints) in [
            (report(2.0, 20.0, 1), 0, 0),
            (report(2.1, 20.0, 1), 0, 1),
            (report(2.0, 20.1, 0), 1, 3),
        ] {
            let told = report.complaints(options(Watching::Everything, true), failed);
            assert_eq!(told.len(), complaints, "{told:?}");
        }
        let report = report(9.0, 90.0, 0);
        assert!(report.complaints(options(Watching::OneNode, false), 0).is_empty());
    }
}
