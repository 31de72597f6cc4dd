use clap::Args;

use super::{choices::CommandTypeChoice, failure::Failure, invocation::Invocation, issue::Order};

/// `navarch uncordon ID`
#[derive(Clone, Debug, Args)]
pub(crate) struct UncordonArguments {
    /// The cordoned or unhealthy node that should take work again
    node_id: String,
    /// Why; kept with the node and in the journal
    #[arg(long)]
    reason: Option<String>,
}

impl UncordonArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let done = format!("node {} takes work again", self.node_id);
        let order = Order::new(&self.node_id, CommandTypeChoice::Uncordon, self.reason);
        order.run(invocation, &done).await
    }
}
