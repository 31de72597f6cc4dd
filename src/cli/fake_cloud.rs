use super::{failure::Failure, invocation::Invocation};
use clap::Args;
#[derive(Clone, Debug, Args)]
pub(crate) struct FakeCloudArguments {}
impl FakeCloudArguments {
    pub(crate) async fn run(self, _invocation: &mut Invocation) -> Result<(), Failure> {
        Ok(())
    }
}
