use super::{failure::Failure, invocation::Invocation};
use clap::Args;
#[derive(Clone, Debug, Args)]
pub(crate) struct AgentArguments {}
impl AgentArguments {
    pub(crate) async fn run(self, _invocation: &mut Invocation) -> Result<(), Failure> {
        Ok(())
    }
}
