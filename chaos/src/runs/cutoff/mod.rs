//! Part of a pool's agents is cut off for several time-outs, and comes back.
//!
//! | file | holds |
//! |---|---|
//! | `pool` | the pool as it is seen and struck: machines, journal, the cloud's ledger |

mod pool;

use std::time::Duration;

use clap::Args;
use navarch::config::parse_duration;
use navarch_host::Moment;
use serde::Serialize;

use self::pool::{POOL, Pool, Told};
use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    proc::{FleetFile, Group, GroupOptions},
    report::{Report, millis},
};

/// How long anything may take before the run gives up.
const LIMIT: Duration = Duration::from_secs(180);
const HEARTBEAT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a breaker waits for calm here; ten minutes by default.
const WINDOW: Duration = Duration::from_secs(10);
/// More than this part in trouble opens the breaker, percent.
const OPENS_ABOVE: u32 = 55;
/// Of the pool, what may be declared lost a minute, and replaced an hour, percent, at least one.
const BUDGET_PERCENT: u32 = 10;

/// `navarch-chaos cutoff`
#[derive(Args, Clone, Debug)]
pub struct CutoffOptions {
    /// Nodes of the pool
    #[arg(long, default_value_t = 200)]
    pub nodes: u32,
    /// Parts of it that are cut off, percent; each of a fresh group
    #[arg(long, default_value = "30,60,100", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100))]
    pub shares: Vec<u32>,
    /// For how long, at least three of the time-outs of 3s
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub cut: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct CutoffReport {
    /// One a share, in the order in which they were asked for.
    pub shares: Vec<Share>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// What came of one part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Share {
    /// Percent of the pool.
    pub percent: u32,
    /// Nodes that fell silent.
    pub silent: usize,
    /// Nodes declared lost while they were.
    pub lost: usize,
    /// From the cut until a breaker was seen open, seconds; none: none was.
    pub breaker_after_s: Option<f64>,
    /// Machines ordered in place of others while they were silent.
    pub replaced: usize,
    /// Those that were ordered while a breaker was open.
    pub past_the_breaker: usize,
    /// Machines ordered in place of others after all beat again.
    pub replaced_after: usize,
    /// Machines bought beyond the pool's target.
    pub surplus: usize,
    /// From the end of the cut until all were known to have beaten, seconds; digests are up to five seconds late.
    pub beating_after_s: f64,
    /// Whether all breakers were closed at the end.
    pub closed: bool,
}

/// Cuts each part of a fresh pool off and lets it come back; judges what was lost and replaced.
///
/// # Errors
///
/// If the run cannot be carried out, or a pool does not come up or back.
pub async fn cutoff(
    host: &Host,
    group: GroupOptions,
    options: CutoffOptions,
) -> Result<CutoffReport, ChaosError> {
    let mut report = CutoffReport { shares: Vec::new(), violations: Vec::new() };
    for (place, percent) in options.shares.iter().enumerate() {
        let share = one(host, group.clone(), (options.nodes, *percent, options.cut)).await?;
        report.violations.extend(share.complaints(options.nodes, options.cut));
        report.shares.push(share);
        progress::say(place + 1, options.shares.len(), "parts cut off");
    }
    Ok(report)
}

async fn one(
    host: &Host,
    group: GroupOptions,
    (nodes, percent, cut): (u32, u32, Duration),
) -> Result<Share, ChaosError> {
    let group = Group::start(host, prepared(group, nodes)).await?;
    let pool = Pool { host, client: group.client()?, cloud: group.cloud_address() };
    pool.wait_beating(nodes, 0, LIMIT).await?;
    // Registration counts as a beat: only now can silence be told.
    host.clock.sleep(TIMEOUT).await;
    let mut machines = pool.machines().await?;
    machines.truncate((nodes * percent).div_ceil(100) as usize);
    let before = pool.read(Told::default()).await?;

    let cut_at = host.clock.now();
    pool.cut(&machines).await?;
    let breaker = watch_breaker(&pool, cut_at, cut_at + cut).await?;
    let silent = pool.read(before).await?;
    let (healed, healed_ms) = (host.clock.now(), host.clock.wall_ms());
    pool.heal(&machines).await?;
    pool.wait_beating(nodes, healed_ms, LIMIT).await?;
    let beating = host.clock.now().since(healed);
    let back = pool.read(silent).await?;
    // The breaker closes after a window of calm; a flood of losses would follow within two time-outs.
    host.clock.sleep(WINDOW + TIMEOUT * 3).await;
    let after = pool.read(back).await?;
    Ok(Share {
        percent,
        silent: machines.len(),
        lost: silent.lost - before.lost,
        breaker_after_s: breaker.map(seconds),
        replaced: silent.replacements - before.replacements,
        past_the_breaker: after.past_the_breaker - before.past_the_breaker,
        replaced_after: after.replacements - back.replacements,
        surplus: pool.bought().await?.saturating_sub(nodes as usize),
        beating_after_s: seconds(beating),
        closed: !pool.is_stopped().await?,
    })
}

/// Waits until `end`; how long after `since` a breaker was first seen open.
async fn watch_breaker(
    pool: &Pool<'_>,
    since: Moment,
    end: Moment,
) -> Result<Option<Duration>, ChaosError> {
    let mut opened = None;
    while pool.host.clock.now() < end {
        if opened.is_none() && pool.is_stopped().await? {
            opened = Some(pool.host.clock.now().since(since));
        }
        pool.host.clock.sleep(Duration::from_millis(100)).await;
    }
    Ok(opened)
}

fn prepared(group: GroupOptions, nodes: u32) -> GroupOptions {
    let server = vec![
        format!("heartbeat_interval: {}s", HEARTBEAT.as_secs()),
        format!("heartbeat_timeout: {}s", TIMEOUT.as_secs()),
        format!("breaker: {{window: {}s}}", WINDOW.as_secs()),
    ];
    let sections = format!(
        "
providers:
  cloud: {{type: http, url: \"http://{{cloud}}\"}}
pools:
  {POOL}:
    provider: cloud
    instance_type: h100-8x
    min_nodes: {nodes}
    max_nodes: {}
    health: {{auto_replace: true}}
",
        nodes * 2
    );
    GroupOptions {
        fleet: FleetFile { server, sections },
        cloud: Some(["--boot-delay", "200ms"].map(str::to_owned).into()),
        ..group
    }
}

fn seconds(duration: Duration) -> f64 {
    millis(duration) / 1_000.0
}

impl Share {
    fn complaints(&self, nodes: u32, cut: Duration) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut expect = |holds: bool, complaint: String| {
            if !holds {
                complaints.push(format!("{} %: {complaint}", self.percent));
            }
        };
        let budget = (nodes * BUDGET_PERCENT / 100).max(1) as usize;
        let minutes = usize::try_from(cut.as_secs() / 60 + 1).unwrap_or(usize::MAX);
        let mass = self.silent > 2 && self.percent > OPENS_ABOVE;
        let lost = self.lost;
        let most = if mass { 0 } else { budget * minutes };
        expect(lost <= most, format!("{lost} nodes were declared lost, {most} may be"));
        let replaced = self.replaced;
        let most = if mass { 0 } else { budget };
        expect(replaced <= most, format!("{replaced} machines were replaced, {most} may be"));
        let opened = self.breaker_after_s.is_some();
        expect(opened == mass, format!("a breaker opened: {opened}, and it should: {mass}"));
        let past = self.past_the_breaker;
        expect(past == 0, format!("{past} machines were replaced past an open breaker"));
        let after = self.replaced_after;
        expect(after == 0, format!("{after} machines were replaced after all beat again"));
        let surplus = self.surplus;
        expect(surplus <= replaced, format!("{surplus} machines bought for {replaced} replaced"));
        expect(self.closed, "a breaker is still open after a window of calm".to_owned());
        complaints
    }
}

impl Report for CutoffReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let head = [
            "share",
            "silent",
            "declared lost",
            "breaker opened after",
            "replaced during",
            "replaced after healing",
            "bought beyond the target",
            "all beating after",
        ];
        let row = |share: &Share| {
            let opened = share.breaker_after_s.map(|after_s| format!("{after_s:.1} s"));
            vec![
                format!("{} %", share.percent),
                share.silent.to_string(),
                share.lost.to_string(),
                opened.unwrap_or_else(|| "never".to_owned()),
                share.replaced.to_string(),
                share.replaced_after.to_string(),
                share.surplus.to_string(),
                format!("{:.1} s", share.beating_after_s),
            ]
        };
        [head.map(str::to_owned).into()].into_iter().chain(self.shares.iter().map(row)).collect()
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the run would print what the breaker let through and call it good.
    #[test]
    fn what_slips_through_is_told() {
        let cut = Duration::from_secs(30);
        let few = Share {
            percent: 30,
            silent: 60,
            lost: 20,
            replaced: 20,
            surplus: 20,
            closed: true,
            ..Share::default()
        };
        let mass = Share {
            percent: 60,
            silent: 120,
            breaker_after_s: Some(2.0),
            closed: true,
            ..Share::default()
        };
        let bad = Share { replaced_after: 1, past_the_breaker: 1, closed: false, ..mass.clone() };
        let table = [
            (few.clone(), 0),
            (Share { lost: 21, ..few.clone() }, 1),
            (Share { replaced: 21, ..few.clone() }, 1),
            (Share { surplus: 21, ..few }, 1),
            (mass.clone(), 0),
            (Share { lost: 1, replaced: 1, ..mass.clone() }, 2),
            (Share { breaker_after_s: None, ..mass }, 1),
            (bad, 3),
        ];
        for (share, complaints) in table {
            let told = share.complaints(200, cut);
            assert_eq!(told.len(), complaints, "{told:?}");
        }
    }
}
