use std::time::Duration;

use clap::{Args, Subcommand};
use navarch_proto::api;

use super::{
    duration,
    failure::Failure,
    invocation::Invocation,
    output::{Record as _, message_value},
};
use crate::client::rpc::{GetPool, ListPools, PausePool, ReportPoolMetrics, ScalePool};

/// `navarch pool ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// List pools
    List,
    /// Show one pool
    Get {
        /// The pool
        name: String,
    },
    /// Set a pool's target within its limits, and hold its autoscaler off for a while
    Scale(ScaleArguments),
    /// Freeze a pool: nothing is bought, given back, replaced or scaled
    Pause {
        /// The pool
        name: String,
        /// Why, for the journal
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a paused pool go on
    Resume {
        /// The pool
        name: String,
    },
    /// Tell a pool's figures, which its autoscaler goes by until they expire
    Report(ReportArguments),
}

/// `navarch pool scale NAME --nodes N`
#[derive(Clone, Debug, Args)]
pub(crate) struct ScaleArguments {
    /// The pool
    name: String,
    /// How many nodes it should have
    #[arg(long)]
    nodes: u32,
    /// How long the autoscaler keeps off [default: 1h]
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    hold: Option<Duration>,
}

/// `navarch pool report NAME --queue-depth N`
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportArguments {
    /// The pool
    name: String,
    /// Jobs that wait
    #[arg(long, value_name = "N")]
    pending_jobs: Option<u32>,
    /// Jobs that wait or run
    #[arg(long, value_name = "N", required_unless_present_any = ["pending_jobs", "utilization"])]
    queue_depth: Option<u32>,
    /// Utilisation in percent, 0 to 100
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    utilization: Option<f64>,
    /// How long the figures hold, at most 1h [default: 5m]
    #[arg(long, value_parser = duration::parse_positive, value_name = "DURATION")]
    ttl: Option<Duration>,
}

impl PoolCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::List => {
                let request = api::ListPoolsRequest {};
                let answer = invocation.call::<ListPools>("list the pools", request).await?;
                invocation.printer.list(&answer.pools, "no pools")
            }
            Self::Get { name } => {
                let what = format!("read pool {name}");
                let answer =
                    invocation.call::<GetPool>(&what, api::GetPoolRequest { name }).await?;
                let pool = present(answer.pool, &what)?;
                invocation.printer.one(&pool)
            }
            Self::Scale(arguments) => scale(arguments, invocation).await,
            Self::Pause { name, reason } => pause(name, (true, reason), invocation).await,
            Self::Resume { name } => pause(name, (false, String::new()), invocation).await,
            Self::Report(arguments) => report(arguments, invocation).await,
        }
    }
}

async fn scale(arguments: ScaleArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let what = format!("scale pool {} to {} nodes", arguments.name, arguments.nodes);
    let request = api::ScalePoolRequest {
        name: arguments.name,
        nodes: arguments.nodes,
        hold_ms: arguments.hold.map(duration::millis),
    };
    let answer = invocation.call::<ScalePool>(&what, request).await?;
    let pool = present(answer.pool, &what)?;
    let text = format!("pool {} has the target {} (size {})", pool.name, pool.target, pool.size);
    let value = message_value(api::PoolInfo::MESSAGE, &pool)?;
    invocation.printer.result(&text, &pool.name, &value)
}

async fn pause(
    name: String,
    (paused, reason): (bool, String),
    invocation: &mut Invocation,
) -> Result<(), Failure> {
    let (verb, done) = if paused { ("pause", "is paused") } else { ("resume", "goes on") };
    let what = format!("{verb} pool {name}");
    let request = api::PausePoolRequest { name, paused, reason };
    let answer = invocation.call::<PausePool>(&what, request).await?;
    let pool = present(answer.pool, &what)?;
    let value = message_value(api::PoolInfo::MESSAGE, &pool)?;
    invocation.printer.result(&format!("pool {} {done}", pool.name), &pool.name, &value)
}

async fn report(arguments: ReportArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let ReportArguments { name, pending_jobs, queue_depth, utilization, ttl } = arguments;
    let what = format!("report the figures of pool {name}");
    let request = api::ReportPoolMetricsRequest {
        pool: name.clone(),
        pending_jobs,
        queue_depth,
        utilization,
        ttl_ms: ttl.map_or(0, duration::millis),
    };
    let answer = invocation.call::<ReportPoolMetrics>(&what, request).await?;
    let until = answer.expires_at.map(|at| at.to_string()).unwrap_or_default();
    let text = format!("the figures of pool {name} hold until {until}");
    let value = message_value("navarch.ReportPoolMetricsResponse", &answer)?;
    invocation.printer.result(&text, &name, &value)
}

fn present(pool: Option<api::PoolInfo>, what: &str) -> Result<api::PoolInfo, Failure> {
    pool.ok_or_else(|| Failure::refused(format!("cannot {what}: the answer holds no pool")))
}
