use clap::Args;
use navarch_proto::api;

use super::{
    choices::CommandTypeChoice, failure::Failure, invocation::Invocation, issue::Order,
    output::message_value,
};
use crate::client::rpc::ClearRuleVerdicts;

/// `navarch uncordon ID`, `navarch uncordon --rule NAME`
#[derive(Clone, Debug, Args)]
pub(crate) struct UncordonArguments {
    /// The cordoned or unhealthy node that should take work again
    #[arg(required_unless_present = "rule", conflicts_with = "rule")]
    node_id: Option<String>,
    /// Clear all unhealthy verdicts that stand by this rule or check; cordons stay
    #[arg(long, value_name = "NAME", requires = "reason")]
    rule: Option<String>,
    /// Only those of this pool's nodes
    #[arg(long, value_name = "NAME", requires = "rule")]
    pool: Option<String>,
    /// Why; kept with the node and in the journal
    #[arg(long)]
    reason: Option<String>,
}

impl UncordonArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let Self { node_id, rule, pool, reason } = self;
        if let Some(rule) = rule {
            let pool = pool.unwrap_or_default();
            return clear((rule, pool), reason.unwrap_or_default(), invocation).await;
        }
        let node_id = node_id.unwrap_or_default();
        let done = format!("node {node_id} takes work again");
        let order = Order::new(&node_id, CommandTypeChoice::Uncordon, reason);
        order.run(invocation, &done).await
    }
}

async fn clear(
    (rule, pool): (String, String),
    reason: String,
    invocation: &mut Invocation,
) -> Result<(), Failure> {
    let what = format!("clear the verdicts of rule {rule}");
    let request = api::ClearRuleVerdictsRequest { rule: rule.clone(), pool, reason };
    let answer = invocation.call::<ClearRuleVerdicts>(&what, request).await?;
    let mut text = format!("{} verdicts of rule {rule} are cleared", answer.cleared);
    if answer.remaining > 0 {
        text += &format!("; {} are left, call again for them", answer.remaining);
    }
    let value = message_value("navarch.ClearRuleVerdictsResponse", &answer)?;
    invocation.printer.result(&text, &rule, &value)
}
