//! All nodes of a large fleet fall silent at once, and beat again.
//!
//! | file | holds |
//! |---|---|
//! | `agents` | what beats: the agent's loop over the agent's client |
//! | `gate` | the network before each replica, which is cut |

mod agents;
mod gate;

use std::time::Duration;

use clap::Args;
use navarch::{
    client::{CallOptions, Client, rpc::GetFleetStatus},
    config::parse_duration,
};
use navarch_host::Moment;
use navarch_proto::api;
use serde::Serialize;

use self::{agents::Agents, gate::Gate};
use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    load::journal,
    proc::{FleetFile, Group, GroupOptions},
    report::{Report, millis},
    wait::until,
};

/// How long anything may take before the run gives up.
const LIMIT: Duration = Duration::from_secs(120);
/// All nodes beat again within so many intervals.
const INTERVALS: u32 = 2;
/// The busiest second of the return has at most so many times the usual beats.
const MOST_RUSH: f64 = 2.0;
/// What a second is in ticks.
const TICKS_A_SECOND: usize = 10;
const STEPS: usize = 4;

/// `navarch-chaos silence`
#[derive(Args, Clone, Copy, Debug)]
pub struct SilenceOptions {
    /// Nodes of 8 GPUs
    #[arg(long, default_value_t = 130_000)]
    pub nodes: usize,
    /// Between two beats of a node
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub interval: Duration,
    /// How long no agent reaches any replica
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub cut: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct SilenceReport {
    /// Nodes that fell silent.
    pub nodes: usize,
    /// For how long, seconds.
    pub cut_s: f64,
    /// Beats answered a second before.
    pub steady_per_s: f64,
    /// From the cut until the breaker was seen open, seconds; none: it never was.
    pub breaker_after_s: Option<f64>,
    /// Nodes declared lost in the whole run.
    pub lost: usize,
    /// Machines ordered in place of others in the whole run.
    pub replacements: usize,
    /// Beats that failed, which those of the cut must.
    pub failed: u64,
    /// Beats that were answered with `not_found`.
    pub forgotten: u64,
    /// The leader's memory before the cut and after the return, MiB.
    pub leader_mib: (u64, u64),
    /// From the end of the cut until the last node's beat was answered, seconds.
    pub all_back_s: f64,
    /// Beats answered in the busiest second of the return.
    pub peak_per_s: u64,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has a large fleet beat, cuts all of it off, and lets it come back; measures whom that costs, and what the return
/// looks like.
///
/// # Errors
///
/// If the run cannot be carried out, or not all nodes come back.
pub async fn silence(
    host: &Host,
    group: GroupOptions,
    options: SilenceOptions,
) -> Result<SilenceReport, ChaosError> {
    let group = Group::start(host, prepared(group, options)).await?;
    let client = group.client()?;
    let mut gates = Vec::new();
    for address in group.addresses() {
        gates.push(Gate::before(address, &host.spawner).await?);
    }
    let addresses: Vec<_> = gates.iter().map(|gate| gate.address().to_owned()).collect();
    let agents = Agents::start(host, &addresses, (options.nodes, options.interval)).await?;
    progress::say(1, STEPS, "registered");
    let began = host.clock.now() + options.interval;
    host.clock.sleep_until(began + options.interval * 2).await;
    let steady = agents.answered(began, ticks(options.interval * 2));
    let leader = group.leader(LIMIT).await?;
    let before = group.resident_bytes(leader)?;
    progress::say(2, STEPS, "beating");

    let cut_at = host.clock.now();
    gates.iter().for_each(Gate::shut);
    let breaker = watch_breaker(host, &client, cut_at, cut_at + options.cut).await?;
    progress::say(3, STEPS, "silent");
    let healed = host.clock.now();
    gates.iter().for_each(Gate::open);
    until(host, "the return of all nodes", LIMIT + options.interval * 4, || async {
        match agents.silent_since(healed) {
            0 => Ok(()),
            silent => Err(format!("{silent} of {} are silent", options.nodes)),
        }
    })
    .await?;
    let all_back = host.clock.now().since(healed);
    // A node that is late is a node that is lost in the next look.
    host.clock.sleep(options.interval * 3).await;
    progress::say(4, STEPS, "back");
    let rush = agents.answered(healed, ticks(options.interval * 3));
    let (lost, replacements) = journalled(&client).await?;
    let after = group.resident_bytes(group.leader(LIMIT).await?)?;
    let mut report = SilenceReport {
        nodes: options.nodes,
        cut_s: seconds(options.cut),
        steady_per_s: rate(&steady),
        breaker_after_s: breaker.map(seconds),
        lost,
        replacements,
        failed: agents.failed(),
        forgotten: agents.forgotten(),
        leader_mib: (before >> 20, after >> 20),
        all_back_s: seconds(all_back),
        peak_per_s: busiest_second(&rush),
        violations: Vec::new(),
    };
    report.violations = report.complaints(options.interval);
    Ok(report)
}

fn prepared(group: GroupOptions, options: SilenceOptions) -> GroupOptions {
    let server = vec![
        format!("heartbeat_interval: {}ms", options.interval.as_millis()),
        "max_registered_nodes: 10000000".to_owned(),
    ];
    GroupOptions { fleet: FleetFile { server, sections: String::new() }, ..group }
}

/// Waits until `end`; how long after `since` a breaker was first seen open.
async fn watch_breaker(
    host: &Host,
    client: &Client,
    since: Moment,
    end: Moment,
) -> Result<Option<Duration>, ChaosError> {
    let mut opened = None;
    while host.clock.now() < end {
        if opened.is_none() && is_stopped(client).await? {
            opened = Some(host.clock.now().since(since));
        }
        host.clock.sleep(Duration::from_millis(500)).await;
    }
    Ok(opened)
}

async fn is_stopped(client: &Client) -> Result<bool, ChaosError> {
    let request = api::GetFleetStatusRequest::default();
    let answer = client.call::<GetFleetStatus>(request, &CallOptions::within(LIMIT)).await;
    let status = answer.map_err(ChaosError::call("read the status"))?.message;
    Ok(status.open_breakers.iter().any(|breaker| breaker.open && breaker.scope == "fleet"))
}

/// Nodes declared lost, and machines ordered in place of others, as the journal has it.
async fn journalled(client: &Client) -> Result<(usize, usize), ChaosError> {
    let events = journal(client, 0).await?;
    let lost = events.iter().filter(|event| event.kind == "node-lost").count();
    let replacements = events.iter().filter(|event| {
        let replaces = event.changes.iter().any(|change| change.field == "replaces");
        event.kind == "instance-requested" && replaces
    });
    Ok((lost, replacements.count()))
}

fn ticks(duration: Duration) -> usize {
    usize::try_from(duration.as_millis() / agents::TICK.as_millis()).unwrap_or(0)
}

fn rate(ticks: &[u64]) -> f64 {
    let total: u64 = ticks.iter().sum();
    let seconds = ticks.len() as f64 / TICKS_A_SECOND as f64;
    if seconds > 0.0 { total as f64 / seconds } else { 0.0 }
}

fn busiest_second(ticks: &[u64]) -> u64 {
    ticks.windows(TICKS_A_SECOND).map(|second| second.iter().sum()).max().unwrap_or(0)
}

fn seconds(duration: Duration) -> f64 {
    millis(duration) / 1_000.0
}

impl SilenceReport {
    fn rush(&self) -> f64 {
        self.peak_per_s as f64 / self.steady_per_s.max(1.0)
    }

    fn complaints(&self, interval: Duration) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut expect = |holds: bool, complaint: String| {
            if !holds {
                complaints.push(complaint);
            }
        };
        expect(self.lost == 0, format!("{} nodes were declared lost", self.lost));
        let replaced = self.replacements;
        expect(replaced == 0, format!("{replaced} machines were replaced"));
        expect(self.forgotten == 0, format!("{} beats met `not_found`", self.forgotten));
        // Without a failed beat nobody was cut off, and the rest shows nothing.
        expect(self.failed > 0, "no beat failed: nobody was cut off".to_owned());
        expect(self.breaker_after_s.is_some(), "the breaker never opened".to_owned());
        let most_s = seconds(interval * INTERVALS);
        expect(
            self.all_back_s <= most_s,
            format!("all were back after {:.1} s, {most_s} s are claimed", self.all_back_s),
        );
        expect(
            self.rush() <= MOST_RUSH,
            format!("{:.1} times the usual beats, {MOST_RUSH} are claimed", self.rush()),
        );
        complaints
    }
}

impl Report for SilenceReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let (before, after) = self.leader_mib;
        let breaker = self.breaker_after_s.map(|after_s| format!("{after_s:.1} s"));
        vec![
            row("nodes silent", format!("{} for {} s", self.nodes, self.cut_s)),
            row("breaker open after", breaker.unwrap_or_else(|| "never".to_owned())),
            row("beats failed", self.failed.to_string()),
            row("declared lost", self.lost.to_string()),
            row("replacements", self.replacements.to_string()),
            row("leader's memory", format!("{before} MiB before, {after} MiB after")),
            row("all beat again after", format!("{:.1} s", self.all_back_s)),
            row("beats before", format!("{:.0}/s", self.steady_per_s)),
            row(
                "busiest second of the return",
                format!("{} beats, {:.2} times", self.peak_per_s, self.rush()),
            ),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a rush that is over within a second would be averaged away.
    #[test]
    fn the_busiest_second_is_any_ten_ticks() {
        let mut ticks = vec![1; 40];
        ticks[15..25].fill(7);
        assert_eq!(busiest_second(&ticks), 70);
        assert_eq!(busiest_second(&ticks[..5]), 0);
        assert!((rate(&[3; 20]) - 30.0).abs() < 1e-9);
    }

    /// Without it the run would print figures over the claim and call them good.
    #[test]
    fn figures_over_the_claim_are_told() {
        let good = SilenceReport {
            nodes: 1,
            cut_s: 1.0,
            steady_per_s: 100.0,
            breaker_after_s: Some(1.0),
            lost: 0,
            replacements: 0,
            failed: 1,
            forgotten: 0,
            leader_mib: (1, 1),
            all_back_s: 20.0,
            peak_per_s: 200,
            violations: Vec::new(),
        };
        let interval = Duration::from_secs(10);
        assert!(good.complaints(interval).is_empty());
        let bad = SilenceReport {
            lost: 1,
            replacements: 1,
            forgotten: 1,
            breaker_after_s: None,
            all_back_s: 20.1,
            peak_per_s: 201,
            ..good
        };
        assert_eq!(bad.complaints(interval).len(), 6);
    }
}
