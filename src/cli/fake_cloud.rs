use std::{env, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use secrecy::SecretString;

use super::{
    agent,
    choices::parse_pair,
    duration,
    failure::Failure,
    invocation::Invocation,
    settings::split,
    signals::{self, ParentArguments},
};
use crate::{
    fake_cloud::{
        self, FakeCloudOptions,
        agents::{AgentOptions, Loads},
    },
    provider::fake::CloudOptions,
};

/// `navarch fake-cloud`
#[derive(Clone, Debug, Args)]
pub(crate) struct FakeCloudArguments {
    /// Where it listens, host:port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50101")]
    listen: String,
    /// The file that remembers every request and effect; it is gone on with
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// Boot a simulated agent on each machine, which calls these replicas
    #[arg(long, value_name = "HOST:PORT,...")]
    agents_to: Option<String>,
    /// The provider's name that the agents register under
    #[arg(long, default_value = "fake")]
    provider: String,
    /// How busy the agents say that their GPUs are, percent
    #[arg(long, default_value_t = 50.0, value_parser = percent)]
    gpu_utilization: f64,
    /// GPUs of a machine whose type is not in the catalogue
    #[arg(long, default_value_t = 8)]
    gpu_count: u32,
    /// From the purchase of a machine until it runs
    #[arg(long, default_value = "2s", value_parser = duration::parse, value_name = "DURATION")]
    boot_delay: Duration,
    /// From the termination of a machine until it is gone
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "DURATION")]
    shutdown_delay: Duration,
    /// How many machines of a type there can be; may be repeated
    #[arg(long = "capacity", value_name = "TYPE=N", value_parser = capacity)]
    capacities: Vec<(String, u32)>,
    /// The environment variable that holds the token which callers must present [default: nobody needs one]
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    #[command(flatten)]
    parent: ParentArguments,
}

impl FakeCloudArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let stop = signals::stop_on_signal(&invocation.spawner)?;
        self.parent.watch(&stop, invocation)?;
        let options = self.into_options(invocation)?;
        let (clock, spawner) = (invocation.clock.clone(), Arc::clone(&invocation.spawner));
        fake_cloud::serve(options, clock, spawner, stop)
            .await
            .map_err(|error| Failure::refused(error.to_string()))
    }

    fn into_options(self, invocation: &Invocation) -> Result<FakeCloudOptions, Failure> {
        let token = match &self.token_env {
            None => None,
            Some(name) => Some(env::var(name).map(SecretString::from).map_err(|_| {
                Failure::usage(format!("--token-env {name}: the variable is not set"))
            })?),
        };
        let agents = self.agents_to.map(|replicas| AgentOptions {
            token: agent::agent_token(invocation),
            ca_file: invocation.settings.ca_file.clone(),
            insecure: invocation.settings.insecure,
            provider: self.provider,
            loads: Arc::new(Loads::new(self.gpu_utilization)),
            ..AgentOptions::new(split(&replicas))
        });
        let cloud = CloudOptions {
            boot_delay: self.boot_delay,
            shutdown_delay: self.shutdown_delay,
            capacity: self.capacities.into_iter().collect(),
            default_gpu_count: self.gpu_count,
            ..CloudOptions::default()
        };
        Ok(FakeCloudOptions {
            token,
            cloud,
            agents,
            ..FakeCloudOptions::new(self.listen, self.ledger)
        })
    }
}

fn capacity(text: &str) -> Result<(String, u32), String> {
    let (name, count) = parse_pair(text)?;
    match count.parse() {
        Ok(count) => Ok((name, count)),
        Err(_) => Err(format!("`{text}`: `{count}` is no number of machines")),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(format!("`{text}` is no number from 0 to 100")),
    }
}
