//! Leaders die at every step that controllers take, while the cloud answers ambiguously.
//!
//! | file | holds |
//! |---|---|
//! | `crash_points` | the folder through which replicas are told where to die |
//! | `shop` | machines that nobody in the group ordered |
//! | `unrest` | what gives controllers something to do |
//! | `settle` | the end: peace returns, and everything is compared |

mod crash_points;
mod settle;
mod shop;
mod unrest;

use std::{collections::BTreeMap, time::Duration};

use navarch::client::Client;
use navarch_host::Moment;
use rand::RngExt as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::{crash_points::CrashPoints, shop::Shop, unrest::Unrest};
use super::progress;
use crate::{
    error::ChaosError,
    host::Host,
    invariants,
    proc::{FleetFile, Group, GroupOptions, http},
    record::InvariantRecord,
    report::{Report, millis_of},
    wait::until,
};

/// How long a replica may take to serve again: far above what it takes.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the points that are passed are gathered before the run may end.
const WARM_UP: Duration = Duration::from_secs(30);
/// Longest pause between two kills at random, milliseconds.
const LONGEST_PAUSE_MS: u64 = 4_000;
/// How long a leader is frozen: several election time-outs.
const FREEZE: Duration = Duration::from_secs(5);
/// What the cloud does to calls, meanwhile.
const FAULTS: &str = r#"{"seed": 7, "faults": [
    {"kind": "success_then_timeout", "rate": 0.1, "delay_ms": 300},
    {"kind": "delayed_commit", "rate": 0.1, "delay_ms": 700},
    {"kind": "error_before", "rate": 0.1},
    {"kind": "error_after", "rate": 0.1},
    {"kind": "rate_limited", "rate": 0.03, "delay_ms": 1000},
    {"kind": "no_capacity", "rate": 0.02},
    {"kind": "stale_list", "rate": 0.3, "delay_ms": 3000},
    {"kind": "spurious_404", "rate": 0.03},
    {"kind": "slow", "rate": 0.2, "delay_ms": 200}]}"#;

/// `navarch-chaos steps`
#[derive(Clone, Copy, Debug)]
pub struct StepsOptions {
    /// Crash points at most; none: all that are passed.
    pub points: Option<usize>,
    /// How long points are armed; one that nobody passes in that time is told as not struck.
    pub limit: Duration,
    /// How long leaders are killed at random afterwards.
    pub random: Duration,
}

/// What came of one crash point.
#[derive(Clone, Debug, Serialize)]
pub struct Struck {
    /// `controller.step.before` or `.after`.
    pub point: String,
    /// From when it was armed until a leader died there, milliseconds; none: nobody passed it in time.
    pub after_ms: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct StepsReport {
    /// Each point, in the order in which they were armed.
    pub points: Vec<Struck>,
    /// Leaders killed at random afterwards.
    pub random_kills: usize,
    /// Leaders frozen afterwards, until another one led.
    pub freezes: usize,
    /// What was done to pools and machines meanwhile.
    pub deeds: usize,
    /// Machines bought in the whole run.
    pub bought: usize,
    /// Machines that replicas had ended.
    pub ended: usize,
    /// From the end of all faults until records, machines and targets were the same, milliseconds.
    pub settled_ms: u64,
    /// What was checked, and what it came to.
    pub invariants: Vec<InvariantRecord>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Has a leader die at each step of each controller in turn, and then at random, while pools, machines and the cloud
/// are restless; then lets peace return and compares ledger, records and journal.
///
/// # Errors
///
/// If the run cannot be carried out, or peace does not return.
pub async fn steps(
    host: &Host,
    group: GroupOptions,
    options: StepsOptions,
) -> Result<StepsReport, ChaosError> {
    let folder = tempfile::tempdir().map_err(ChaosError::system("make a folder"))?;
    let points = CrashPoints::new(folder.path().join("crash-points"))?;
    let mut group = Group::start(host, prepared(group, &points)).await?;
    let client = group.client()?;
    let mut run = Run {
        host,
        points,
        group: &mut group,
        armed: BTreeMap::new(),
        struck: Vec::new(),
        restarts: 0,
        random_kills: 0,
        freezes: 0,
    };
    let planted = run.plant(&client).await?;
    run.set_faults(FAULTS).await?;
    let stop = CancellationToken::new();
    let unrest = Unrest {
        host: host.clone(),
        client: client.clone(),
        cloud: run.group.cloud_address(),
        shop: planted.shop.clone(),
        cluster_id: planted.cluster_id.clone(),
    };
    let unrest = tokio::spawn(unrest.run(stop.clone()));
    let done = run.strike(options).await;
    stop.cancel();
    let deeds = unrest.await.unwrap_or_default();
    done?;
    run.set_faults(r#"{"faults": []}"#).await?;
    let (points, random_kills, freezes) = (run.struck, run.random_kills, run.freezes);
    let settled = settle::settle(host, &mut group, &client, &planted).await;
    let violations = settled.as_ref().map(|settled| invariants::unmet(&settled.invariants));
    if violations.as_ref().map_or(true, |violations| !violations.is_empty()) {
        eprintln!("the group's files are kept in {}", group.keep_files().display());
    }
    let violations = violations.unwrap_or_default();
    let settle::Settled { bought, ended, settled_ms, invariants } = settled?;
    Ok(StepsReport {
        points,
        random_kills,
        freezes,
        deeds,
        bought,
        ended,
        settled_ms,
        invariants,
        violations,
    })
}

/// Machines that the cloud has beside those of the pools. Those that bear our tag, and that nobody ordered, must go.
struct Planted {
    /// Where more of them are bought.
    shop: Shop,
    /// Our tag.
    cluster_id: String,
    /// Somebody else's machine: it must stay.
    theirs: String,
}

struct Run<'a> {
    host: &'a Host,
    points: CrashPoints,
    group: &'a mut Group,
    /// Points at which the next leader that passes dies, and since when.
    armed: BTreeMap<String, Moment>,
    struck: Vec<Struck>,
    /// How often a replica that had died was started again: in the end once for each point that was struck.
    restarts: usize,
    random_kills: usize,
    freezes: usize,
}

impl Run<'_> {
    async fn strike(&mut self, options: StepsOptions) -> Result<(), ChaosError> {
        self.strike_points(options).await?;
        let mut idle = Vec::new();
        for (point, armed_at) in std::mem::take(&mut self.armed) {
            // Whoever took the order away before us is about to die.
            if self.points.disarm(&point)? {
                idle.push(Struck { point, after_ms: None });
            } else {
                self.armed.insert(point, armed_at);
            }
        }
        let deadline = self.host.clock.now() + LIMIT;
        self.restart_the_dead()?;
        while self.restarts < self.struck.len() && self.host.clock.now() < deadline {
            self.host.clock.sleep(Duration::from_millis(20)).await;
            self.restart_the_dead()?;
        }
        self.struck.append(&mut idle);
        self.group.wait_all_ready(LIMIT).await?;
        let until = self.host.clock.now() + options.random;
        while self.host.clock.now() < until {
            self.kill_at_random().await?;
            self.freeze_at_random().await?;
        }
        Ok(())
    }

    /// Keeps every point armed at which nobody has died yet.
    async fn strike_points(&mut self, options: StepsOptions) -> Result<(), ChaosError> {
        let start = self.host.clock.now();
        loop {
            let elapsed = self.host.clock.now().since(start);
            let enough = options.points.is_some_and(|most| self.struck.len() >= most);
            let all = self.armed.is_empty() && elapsed > WARM_UP;
            if enough || all || elapsed > options.limit {
                return Ok(());
            }
            for point in self.points.seen()? {
                let known = self.armed.contains_key(&point)
                    || self.struck.iter().any(|struck| struck.point == point);
                if !known {
                    self.points.arm(&point)?;
                    self.armed.insert(point, self.host.clock.now());
                }
            }
            self.host.clock.sleep(Duration::from_millis(20)).await;
            self.restart_the_dead()?;
        }
    }

    /// Notes where leaders have died, and starts them again.
    fn restart_the_dead(&mut self) -> Result<(), ChaosError> {
        let now = self.host.clock.now();
        let struck = |point: &String, _: &mut Moment| !self.points.is_armed(point);
        for (point, armed_at) in self.armed.extract_if(.., struck) {
            let after_ms = millis_of(now.since(armed_at));
            progress::say(self.struck.len() + 1, 0, &format!("{point} after {after_ms} ms"));
            self.struck.push(Struck { point, after_ms: Some(after_ms) });
        }
        // Not waited for: the others may die meanwhile, and no majority would be left.
        while let Some(index) = self.group.ended() {
            self.group.start_replica(index)?;
            self.restarts += 1;
        }
        Ok(())
    }

    async fn kill_at_random(&mut self) -> Result<(), ChaosError> {
        let pause_ms = rand::rng().random_range(0..=LONGEST_PAUSE_MS);
        self.host.clock.sleep(Duration::from_millis(pause_ms)).await;
        let leader = self.group.leader(LIMIT).await?;
        self.group.kill(leader).await?;
        self.group.bring_back(leader, LIMIT).await?;
        self.random_kills += 1;
        progress::say(self.random_kills, 0, "leaders killed at random");
        Ok(())
    }

    /// The leader stands still until another one leads, and then goes on where it was.
    async fn freeze_at_random(&mut self) -> Result<(), ChaosError> {
        let pause_ms = rand::rng().random_range(0..=LONGEST_PAUSE_MS);
        self.host.clock.sleep(Duration::from_millis(pause_ms)).await;
        let leader = self.group.leader(LIMIT).await?;
        self.group.pause(leader)?;
        self.host.clock.sleep(FREEZE).await;
        self.group.resume(leader)?;
        self.group.wait_all_ready(LIMIT).await?;
        self.freezes += 1;
        progress::say(self.freezes, 0, "leaders frozen");
        Ok(())
    }

    async fn set_faults(&self, plan: &str) -> Result<(), ChaosError> {
        let cloud = self.group.cloud_address();
        until(self.host, "the faults of the cloud", LIMIT, || async {
            let answer = http::put(self.host, &cloud, ("/v1/faults", plan), LIMIT).await?;
            if answer.status == 200 { Ok(()) } else { Err(answer.body) }
        })
        .await
    }

    /// Buys two machines behind the group's back.
    async fn plant(&self, client: &Client) -> Result<Planted, ChaosError> {
        let cluster_id = settle::cluster_id(self.host, client).await?;
        let shop = Shop::new(self.host, &self.group.cloud_address())?;
        shop.buy("planted-ours", &cluster_id).await?;
        let theirs = shop.buy("planted-theirs", "somebody-else").await?;
        Ok(Planted { shop, cluster_id, theirs })
    }
}

/// Two pools of a restless cloud, with times short enough to see every deadline pass.
fn prepared(group: GroupOptions, points: &CrashPoints) -> GroupOptions {
    let server =
        // Pools of two to five whose machines die for good would wait for an operator.
        ["heartbeat_interval: 500ms", "heartbeat_timeout: 2s", "autoscale_interval: 500ms",
         "breaker: {open_above_percent: 100}"];
    let sections = "
instance_manager: {registration_timeout: 10s, stale_check_interval: 1s, retain_terminated: 20s, orphan_sweep_interval: 5s, orphan_min_age: 10s}
providers:
  cloud: {type: http, url: \"http://{cloud}\"}
pools:
  by-hand:
    provider: cloud
    instance_type: h100-8x
    min_nodes: 2
    max_nodes: 8
    health: {unhealthy_after: 2, auto_replace: true, replace_at_once_percent: 100, replace_per_hour_percent: 10000}
  busy:
    provider: cloud
    instance_type: h100-8x
    min_nodes: 1
    max_nodes: 5
    cooldown: 1s
    autoscaling: {type: reactive, scale_up_at: 40, scale_down_at: 10}
    health: {unhealthy_after: 2, auto_replace: true, replace_at_once_percent: 100, replace_per_hour_percent: 10000}
";
    let cloud = ["--boot-delay", "200ms", "--shutdown-delay", "200ms"];
    GroupOptions {
        fleet: FleetFile {
            server: server.map(str::to_owned).into(),
            sections: sections.to_owned(),
        },
        cloud: Some(cloud.map(str::to_owned).into()),
        environment: group.environment.into_iter().chain([points.environment()]).collect(),
        ..group
    }
}

impl Report for StepsReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let point = |struck: &Struck| {
            let after = struck.after_ms.map_or("not passed in time".to_owned(), |ms| {
                format!("a leader died there after {ms} ms")
            });
            vec![struck.point.clone(), after]
        };
        let mut rows: Vec<_> = self.points.iter().map(point).collect();
        let dead = self.points.iter().filter(|struck| struck.after_ms.is_some()).count();
        rows.extend(
            [
                ("crash points", format!("{dead} struck of {}", self.points.len())),
                ("leaders killed at random", self.random_kills.to_string()),
                ("leaders frozen", self.freezes.to_string()),
                ("deeds of unrest", self.deeds.to_string()),
                ("machines bought", format!("{}, none twice for one order", self.bought)),
                ("machines ended", format!("{}, each with a reason in the journal", self.ended)),
                ("peace after", format!("{} ms: ledger = records = targets", self.settled_ms)),
            ]
            .map(|(name, value)| vec![name.to_owned(), value]),
        );
        rows.extend(self.invariants.iter().map(InvariantRecord::row));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
