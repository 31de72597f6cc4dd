use clap::Subcommand;
use navarch_proto::api;

use super::{failure::Failure, invocation::Invocation, output::message_value};
use crate::client::rpc::{ForgiveGpu, ListGivenUpGpus};

/// `navarch gpu ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum GpuCommand {
    /// List GPUs of machines that were given up on: for a week no machine may have one of them
    List,
    /// Let such a GPU back, because it was mended or never was at fault
    Forgive {
        /// Its UUID
        uuid: String,
        /// Why, for the journal
        #[arg(long)]
        reason: String,
    },
}

impl GpuCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::List => {
                let what = "list the GPUs that were given up on";
                let request = api::ListGivenUpGpusRequest {};
                let answer = invocation.call::<ListGivenUpGpus>(what, request).await?;
                invocation.printer.list(&answer.gpus, "no GPU is refused")
            }
            Self::Forgive { uuid, reason } => {
                let what = format!("forgive GPU {uuid}");
                let request = api::ForgiveGpuRequest { uuid: uuid.clone(), reason };
                let answer = invocation.call::<ForgiveGpu>(&what, request).await?;
                let value = message_value("navarch.ForgiveGpuResponse", &answer)?;
                let text = format!(
                    "GPU {uuid} is forgiven: machines may have it again; a pause that it caused at its provider runs out by itself"
                );
                invocation.printer.result(&text, &uuid, &value)
            }
        }
    }
}
