use std::{env, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use secrecy::SecretString;

use super::{
    choices::parse_pair,
    duration,
    failure::{Failure, FailureKind},
    invocation::Invocation,
    signals,
};
use crate::{
    agent::{
        self, Agent, AgentConfig, AgentError, Diagnostic, OutboxBounds,
        gpu::{self, FakeGpus, GpuSource},
    },
    client::ClientOptions,
};

/// The token that admits the node calls only; it need not be able to change the fleet.
const AGENT_TOKEN_VARIABLE: &str = "NAVARCH_AGENT_TOKEN";

/// Where Linux hands out its log.
const KERNEL_LOG: &str = "/dev/kmsg";

/// The fewest and the most events, and bytes of events, that an agent may be told to keep.
const EVENTS: (usize, usize) = (1_000, 1_000_000);
const BYTES: (usize, usize) = (256 << 10, 1 << 30);

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
    /// How long such a program may run before it is killed, with whatever it started
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse_positive)]
    diagnostic_timeout: Duration,
    /// Where executed commands and health events outlive the agent; without it they are in memory only
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Health events kept while no report gets through; the least severe go first
    #[arg(long, value_name = "N", default_value_t = OutboxBounds::default().events, value_parser = parse_events)]
    event_queue_events: usize,
    /// Bytes of health events kept while no report gets through
    #[arg(long, value_name = "BYTES", default_value_t = OutboxBounds::default().bytes, value_parser = parse_bytes)]
    event_queue_bytes: usize,
    /// Where the kernel log is read for XIDs: a device, a file of such lines, or `none` [default: /dev/kmsg, with
    /// --fake-gpus none]
    #[arg(long, value_name = "PATH")]
    kmsg: Option<PathBuf>,
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
        let kernel_log = match self.kmsg {
            Some(path) => Some(path).filter(|path| path.as_os_str() != "none"),
            None => self.fake_gpus.is_none().then(|| PathBuf::from(KERNEL_LOG)),
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
            diagnostic_timeout: self.diagnostic_timeout,
            state_dir: self.state_dir,
            outbox: OutboxBounds { events: self.event_queue_events, bytes: self.event_queue_bytes },
            kernel_log,
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

fn parse_events(text: &str) -> Result<usize, String> {
    within(text, EVENTS)
}

fn parse_bytes(text: &str) -> Result<usize, String> {
    within(text, BYTES)
}

fn within(text: &str, (least, most): (usize, usize)) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is no number from {least} to {most}")),
    }
}

fn failure(error: &AgentError) -> Failure {
    let kind = match error {
        AgentError::NoNodeId => FailureKind::Usage,
        AgentError::Refused { source, .. } => FailureKind::from(source.failure()),
        AgentError::StateDir { .. }
        | AgentError::StateDirTaken { .. }
        | AgentError::State { .. }
        | AgentError::EventsNotKept
        | AgentError::Thread(_) => FailureKind::Refused,
    };
    Failure::new(kind, error.to_string())
}
