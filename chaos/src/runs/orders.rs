use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use navarch::{
    client::{
        CallOptions, Client,
        rpc::{GetPool, ScalePool},
    },
    config::parse_duration,
    fake_cloud::ledger::{Effect, LedgerEntry},
};
use navarch_host::Moment;
use navarch_proto::api;
use serde::Serialize;

use crate::{
    error::ChaosError,
    host::Host,
    proc::{FleetFile, Group, GroupOptions, http},
    report::{Report, millis},
    wait::until,
};

/// Limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// How often the pool is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The run gives up after so many times what the rate allows.
const PATIENCE: u32 = 10;
/// All machines run within this much more than the time that the provider's rate takes for them, percent.
const MOST_OVER_PERCENT: f64 = 10.0;
const POOL: &str = "burst";

/// `navarch-chaos orders`
#[derive(Args, Clone, Copy, Debug)]
pub struct OrdersOptions {
    /// Machines that are asked for at once
    #[arg(long, default_value_t = 1_000)]
    pub machines: u32,
    /// Calls a second that the provider allows
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// How long the provider takes for each answer
    #[arg(long, default_value = "200ms", value_parser = parse_duration)]
    pub latency: Duration,
    /// Fail where the figures are below what Navarch claims
    #[arg(long)]
    pub judge: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct OrdersReport {
    /// Machines that were asked for.
    pub machines: u32,
    /// What the provider's rate takes for them, seconds.
    pub rate_takes_s: f64,
    /// From the request until the provider had sold all, seconds.
    pub bought_s: f64,
    /// From the request until all ran, seconds.
    pub running_s: f64,
    /// How much longer than the rate takes, percent.
    pub over_percent: f64,
    /// Most calls that the provider saw in a second.
    pub busiest_second: usize,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Asks for many machines at once of a provider that is slow to answer and allows so many calls a second; measures how
/// long it takes until all run.
///
/// # Errors
///
/// If the run cannot be carried out, or they do not all run.
pub async fn orders(
    host: &Host,
    group: GroupOptions,
    options: OrdersOptions,
) -> Result<OrdersReport, ChaosError> {
    let group = Group::start(host, prepared(group, options)).await?;
    let cloud = group.cloud_address();
    slow_down(host, &cloud, options.latency).await?;
    let client = group.client()?;
    let rate_takes = Duration::from_secs(1) * options.machines / options.rate.max(1);
    let began = host.clock.now();
    let mut bought = None;
    let scale = api::ScalePoolRequest {
        name: POOL.to_owned(),
        nodes: options.machines,
        ..api::ScalePoolRequest::default()
    };
    let scaled = client.call::<ScalePool>(scale, &CallOptions::within(CALL_LIMIT)).await;
    scaled.map_err(ChaosError::call("scale the pool"))?;
    let end = began + (rate_takes + Duration::from_secs(10)) * PATIENCE;
    let running = loop {
        let pool = look(&client).await?;
        let (sold, run) = (pool.size - pool.provisioning, pool.running);
        if sold == options.machines {
            bought.get_or_insert_with(|| host.clock.now().since(began));
        }
        if run == options.machines {
            break host.clock.now().since(began);
        }
        give_up_after(host, end, run, options.machines)?;
        host.clock.sleep(LOOK_EVERY).await;
    };
    let ledger = http::get(host, &cloud, "/v1/ledger", CALL_LIMIT).await;
    let ledger = ledger.map_err(|problem| tool(&problem))?.body;
    Ok(judged(options, (rate_takes, bought.unwrap_or(running), running), &ledger))
}

async fn look(client: &Client) -> Result<api::PoolInfo, ChaosError> {
    let request = api::GetPoolRequest { name: POOL.to_owned() };
    let answer = client.call::<GetPool>(request, &CallOptions::within(CALL_LIMIT)).await;
    let answer = answer.map_err(ChaosError::call("look at the pool"))?;
    answer.message.pool.ok_or_else(|| tool("the pool is not told"))
}

fn give_up_after(host: &Host, end: Moment, run: u32, of: u32) -> Result<(), ChaosError> {
    if host.clock.now() < end {
        return Ok(());
    }
    Err(tool(&format!("{run} of {of} machines run, and it takes far too long")))
}

fn tool(problem: &str) -> ChaosError {
    ChaosError::Tool { program: "navarch".to_owned(), problem: problem.to_owned() }
}

async fn slow_down(host: &Host, cloud: &str, latency: Duration) -> Result<(), ChaosError> {
    let plan = format!(
        r#"{{"seed": 1, "faults": [{{"kind": "slow", "rate": 1.0, "delay_ms": {}}}]}}"#,
        latency.as_millis()
    );
    until(host, "the delay of the cloud", CALL_LIMIT, || async {
        let answer = http::put(host, cloud, ("/v1/faults", &plan), CALL_LIMIT).await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await
}

fn prepared(group: GroupOptions, options: OrdersOptions) -> GroupOptions {
    let OrdersOptions { machines, rate, .. } = options;
    let sections = format!(
        "
providers:
  cloud: {{type: http, url: \"http://{{cloud}}\", max_calls_per_second: {rate}}}
pools:
  {POOL}:
    provider: cloud
    instance_type: h100-8x
    min_nodes: 0
    max_nodes: {machines}
"
    );
    let server = ["heartbeat_interval: 30s", "heartbeat_timeout: 2m"];
    GroupOptions {
        fleet: FleetFile { server: server.map(str::to_owned).into(), sections },
        cloud: Some(["--boot-delay", "100ms"].map(str::to_owned).into()),
        ..group
    }
}

fn judged(
    options: OrdersOptions,
    (rate_takes, bought, running): (Duration, Duration, Duration),
    ledger: &str,
) -> OrdersReport {
    let over_percent = 100.0 * (running.as_secs_f64() / rate_takes.as_secs_f64() - 1.0);
    let over_percent = (over_percent * 10.0).round() / 10.0;
    let calls = Calls::read(ledger);
    let mut violations = calls.bought_twice.clone();
    if calls.bought != options.machines as usize {
        violations.push(format!("{} machines bought for {}", calls.bought, options.machines));
    }
    if options.judge && over_percent > MOST_OVER_PERCENT {
        violations.push(format!(
            "{over_percent} % longer than the provider's rate takes, {MOST_OVER_PERCENT} % is claimed"
        ));
    }
    let seconds = |time: Duration| millis(time) / 1_000.0;
    OrdersReport {
        machines: options.machines,
        rate_takes_s: seconds(rate_takes),
        bought_s: seconds(bought),
        running_s: seconds(running),
        over_percent,
        busiest_second: calls.busiest_second,
        violations,
    }
}

/// What the cloud's ledger says.
#[derive(Default)]
struct Calls {
    bought: usize,
    bought_twice: Vec<String>,
    busiest_second: usize,
}

impl Calls {
    fn read(ledger: &str) -> Self {
        let entries = ledger.lines().filter_map(|line| serde_json::from_str(line).ok());
        let entries: Vec<LedgerEntry> = entries.collect();
        let mut calls = Self::default();
        let (mut keys, mut seconds) = (BTreeMap::new(), BTreeMap::<u64, usize>::new());
        for entry in &entries {
            // Its own effects have no caller.
            if !entry.method.is_empty() {
                *seconds.entry(entry.at_ms / 1_000).or_default() += 1;
            }
            if entry.effect == Effect::Created {
                calls.bought += 1;
                if let Some(before) = keys.insert(entry.idempotency_key.clone(), entry.seq) {
                    calls.bought_twice.push(format!("bought twice: {before} and {}", entry.seq));
                }
            }
        }
        calls.busiest_second = seconds.values().copied().max().unwrap_or(0);
        calls
    }
}

impl Report for OrdersReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("machines asked for at once", self.machines.to_string()),
            row("the provider's rate takes", format!("{:.1} s", self.rate_takes_s)),
            row("all bought after", format!("{:.1} s", self.bought_s)),
            row(
                "all running after",
                format!("{:.1} s, {:+.1} %", self.running_s, self.over_percent),
            ),
            row("calls in the busiest second", self.busiest_second.to_string()),
        ]
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}
