use std::{env, path::PathBuf, sync::Arc};

use clap::Args;
use secrecy::SecretString;

use super::{
    choices::parse_pair,
    failure::{Failure, FailureKind},
    invocation::Invocation,
    signals,
};
use crate::{
    agent::{
        self, Agent, AgentConfig, AgentError, Diagnostic,
        gpu::{self, FakeGpus, GpuSource},
    },
    client::ClientOptions,
};

/// The token that admits the node calls only; it need not be able to change the fleet.
const AGENT_TOKEN_VARIABLE: &str = "NAVARCH_AGENT_TOKEN";

/// GPUs that a machine can be made to look as if it had.
const MOST_FAKE_GPUS: i64 = 64;

/// `navarch agent`
#[derive(Clone, Debug, Args)]
pub(crate) struct AgentArguments {
    /// The provider's own id of this machine, which is how a node meets its instance record
    #[arg(long, value_name = "ID")]
    node_id: String,
    /// The pool that this node counts towards
    #[arg(long)]
    pool: Option<String>,
    /// The provider that this machine was rented from
    #[arg(long, default_value = "")]
    provider: String,
    /// The region that this machine stands in
    #[arg(long, default_value = "")]
    region: String,
    /// The zone that this machine stands in
    #[arg(long, default_value = "")]
    zone: String,
    /// What kind of machine this is
    #[arg(long, default_value = "")]
    instance_type: String,
    /// A label of this node; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
    /// The address under which this node is reached from outside
    #[arg(long, value_name = "IP")]
    external_ip: Option<String>,
    /// Pretend to have so many GPUs instead of asking NVML
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=MOST_FAKE_GPUS))]
    fake_gpus: Option<u8>,
    /// How many GPUs this node should have; fewer fail its boot check
    #[arg(long, value_name = "N")]
    expected_gpus: Option<usize>,
    /// A program that a run-diagnostic command may start by this name; may be repeated
    #[arg(long = "diagnostic", value_name = "NAME=/PROGRAM ARG...", value_parser = Diagnostic::parse)]
    diagnostics: Vec<(String, Diagnostic)>,
    /// Where executed commands are remembered over a restart
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl AgentArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let stop = signals::stop_on_signal(&invocation.spawner)?;
        let client = invocation.client_with(client_options(invocation))?;
        let config = self.into_config(invocation);
        let (clock, spawner) = (invocation.clock.clone(), Arc::clone(&invocation.spawner));
        Agent::new(config, client, clock, spawner).run(stop).await.map_err(|error| failure(&error))
    }

    fn into_config(self, invocation: &Invocation) -> AgentConfig {
        let gpus: Arc<dyn GpuSource> = match self.fake_gpus {
            Some(count) => Arc::new(FakeGpus::new(&self.node_id, usize::from(count))),
            None => gpu::detect(&invocation.clock, &*invocation.spawner),
        };
        AgentConfig {
            provider: self.provider,
            region: self.region,
            zone: self.zone,
            instance_type: self.instance_type,
            pool: self.pool,
            labels: self.labels.into_iter().collect(),
            external_ip: self.external_ip,
            gpus,
            expected_gpus: self.expected_gpus,
            diagnostics: self.diagnostics.into_iter().collect(),
            state_dir: self.state_dir,
            ..AgentConfig::new(self.node_id)
        }
    }
}

/// The settings' options, with an agent's patience and token.
fn client_options(invocation: &Invocation) -> ClientOptions {
    let settings = invocation.client_options();
    let usual = agent::client_options(invocation.clock.clone(), Arc::clone(&invocation.spawner));
    ClientOptions {
        token: agent_token(invocation),
        ca_file: settings.ca_file,
        insecure: settings.insecure,
        ..usual
    }
}

/// The agents' own token where there is one, else everybody's.
pub(crate) fn agent_token(invocation: &Invocation) -> Option<SecretString> {
    let own = env::var(AGENT_TOKEN_VARIABLE).ok();
    own.filter(|token| !token.is_empty())
        .map(SecretString::from)
        .or_else(|| invocation.settings.token.clone())
}

fn failure(error: &AgentError) -> Failure {
    let kind = match error {
        AgentError::NoNodeId => FailureKind::Usage,
        AgentError::Refused { source, .. } => FailureKind::from(source.failure()),
        AgentError::StateDir { .. } | AgentError::State { .. } | AgentError::Thread(_) => {
            FailureKind::Refused
        }
    };
    Failure::new(kind, error.to_string())
}
