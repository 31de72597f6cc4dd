use std::time::Duration;

use clap::{Args, Subcommand};
use navarch_proto::api;

use super::{
    duration,
    failure::Failure,
    invocation::Invocation,
    output::{Record as _, message_value},
};
use crate::client::rpc::{ListBreakers, OverrideBreaker, ResetBreaker};

/// `navarch breaker ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BreakerCommand {
    /// List the breakers of the fleet, of pools and of zones: an open one stops losses and replacements
    List,
    /// Decide in a breaker's place for a while: losses and replacements go on, or stop with --open
    Override(OverrideArguments),
    /// Let a breaker decide again before its override ends
    Reset {
        #[command(flatten)]
        whose: Whose,
        /// Why, for the journal
        #[arg(long)]
        reason: String,
    },
}

/// Whose breaker.
#[derive(Clone, Debug, Args)]
pub(crate) struct Whose {
    /// What it stands between
    #[arg(value_parser = ["fleet", "pool", "zone"])]
    scope: String,
    /// The pool, or the zone as PROVIDER/REGION/ZONE; none for the fleet
    #[arg(required_if_eq_any = [("scope", "zone")], default_value_if("scope", "fleet", ""))]
    name: Option<String>,
}

/// `navarch breaker override SCOPE NAME --for 1h --reason TEXT`
#[derive(Clone, Debug, Args)]
pub(crate) struct OverrideArguments {
    #[command(flatten)]
    whose: Whose,
    /// For how long, at most a week
    #[arg(long = "for", value_parser = duration::parse_positive, value_name = "DURATION")]
    duration: Duration,
    /// Stop losses and replacements instead
    #[arg(long)]
    open: bool,
    /// Why, for the journal
    #[arg(long)]
    reason: String,
}

impl Whose {
    /// `pool training`, `the fleet`.
    fn words(&self) -> String {
        match self.name() {
            name if name.is_empty() => format!("the {}", self.scope),
            name => format!("{} {name}", self.scope),
        }
    }

    fn name(&self) -> String {
        self.name.clone().unwrap_or_default()
    }
}

impl BreakerCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::List => {
                let request = api::ListBreakersRequest {};
                let answer = invocation.call::<ListBreakers>("list the breakers", request).await?;
                invocation.printer.list(&answer.breakers, "no breakers")
            }
            Self::Override(arguments) => force(arguments, invocation).await,
            Self::Reset { whose, reason } => {
                let what = format!("reset the breaker of {}", whose.words());
                let (scope, name) = (whose.scope.clone(), whose.name());
                let request = api::ResetBreakerRequest { scope, name, reason };
                let answer = invocation.call::<ResetBreaker>(&what, request).await?;
                let breaker = present(answer.breaker, &what)?;
                let state = if breaker.open { "open" } else { "closed" };
                let text = format!("the breaker of {} is automatic again: {state}", whose.words());
                tell(&text, &breaker, invocation)
            }
        }
    }
}

async fn force(arguments: OverrideArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let OverrideArguments { whose, duration, open, reason } = arguments;
    let what = format!("override the breaker of {}", whose.words());
    let request = api::OverrideBreakerRequest {
        scope: whose.scope.clone(),
        name: whose.name(),
        open,
        duration_ms: duration::millis(duration),
        reason,
    };
    let answer = invocation.call::<OverrideBreaker>(&what, request).await?;
    let breaker = present(answer.breaker, &what)?;
    let until = breaker.override_until.map(|at| at.to_string()).unwrap_or_default();
    let effect = if open { "stop" } else { "go on; silence counts from now on" };
    let text = format!(
        "the breaker of {} is forced {} until {until}: losses and replacements {effect}",
        whose.words(),
        breaker.r#override
    );
    tell(&text, &breaker, invocation)
}

fn tell(
    text: &str,
    breaker: &api::BreakerInfo,
    invocation: &mut Invocation,
) -> Result<(), Failure> {
    let value = message_value(api::BreakerInfo::MESSAGE, breaker)?;
    invocation.printer.result(text, &breaker.name(), &value)
}

fn present(breaker: Option<api::BreakerInfo>, what: &str) -> Result<api::BreakerInfo, Failure> {
    breaker.ok_or_else(|| Failure::refused(format!("cannot {what}: the answer holds no breaker")))
}
