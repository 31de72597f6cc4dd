use clap::{Args, Subcommand};
use navarch_proto::api;

use super::{choices::InstanceStateChoice, failure::Failure, invocation::Invocation};
use crate::client::rpc::{GetInstance, ListInstances};

/// Instances asked for at a time.
const PAGE_SIZE: u32 = 10_000;

/// `navarch instance ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// List rented machines
    List(ListArguments),
    /// Show one rented machine
    Get {
        /// The instance, by our id or by its provider's
        instance_id: String,
    },
}

/// `navarch instance list`
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArguments {
    /// Only instances of this pool
    #[arg(long)]
    pool: Option<String>,
    /// Only instances in this state
    #[arg(long, value_enum, ignore_case = true)]
    state: Option<InstanceStateChoice>,
    /// Only instances of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Only instances in this region
    #[arg(long)]
    region: Option<String>,
}

impl InstanceCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::List(arguments) => list(arguments, invocation).await,
            Self::Get { instance_id } => get(&instance_id, invocation).await,
        }
    }
}

async fn list(arguments: ListArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let client = invocation.client()?;
    let state = arguments.state.map(api::InstanceState::from).unwrap_or_default();
    let mut request = api::ListInstancesRequest {
        provider: arguments.provider.unwrap_or_default(),
        region: arguments.region.unwrap_or_default(),
        state: state.into(),
        pool_name: arguments.pool.unwrap_or_default(),
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut instances = Vec::new();
    loop {
        let answer = invocation
            .call_on::<ListInstances>(&client, "list the instances", request.clone())
            .await?;
        instances.extend(answer.instances);
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    invocation.printer.list(&instances, "no instances")
}

async fn get(id: &str, invocation: &mut Invocation) -> Result<(), Failure> {
    let request = api::GetInstanceRequest { instance_id: id.to_owned() };
    let what = format!("read instance {id}");
    let answer = invocation.call::<GetInstance>(&what, request).await?;
    let instance = answer
        .instance
        .ok_or_else(|| Failure::refused(format!("cannot {what}: the answer holds no instance")))?;
    invocation.printer.one(&instance)
}
