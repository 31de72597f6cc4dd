use clap::Args;

use super::{choices::CommandTypeChoice, failure::Failure, invocation::Invocation, issue::Order};

/// `navarch cordon ID`
#[derive(Clone, Debug, Args)]
pub(crate) struct CordonArguments {
    /// The node that should take no new work
    node_id: String,
    /// Why; kept with the node and in the journal
    #[arg(long)]
    reason: Option<String>,
}

impl CordonArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let done = format!("node {} is cordoned", self.node_id);
        let order = Order::new(&self.node_id, CommandTypeChoice::Cordon, self.reason);
        order.run(invocation, &done).await
    }
}
