use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        agent::agent_token,
        dev::Throwaway,
        duration::{self, millis},
        failure::Failure,
        invocation::Invocation,
        output::message,
    },
    client::ClientOptions,
    config::format_millis,
    sim::{self, LiveOptions, Run, Scenario, SimError},
};

/// The part of `navarch sim run` that is about live mode.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Live mode")]
pub(super) struct LiveArguments {
    /// Play in real time with real replicas and real calls: with a group that is started for it and ends with it, or
    /// with the one that --server names
    #[arg(long)]
    pub(super) live: bool,
    /// Refuse longer scenarios
    #[arg(long, requires = "live", value_name = "DURATION", default_value = "30m")]
    #[arg(value_parser = duration::parse_positive)]
    longest: Duration,
    /// Replace the configuration of the group that --server names; machines that are not simulated are never touched
    #[arg(long, requires = "live")]
    force: bool,
    /// This machine's host name or address, under which the replicas reach the simulated providers
    #[arg(long, requires = "live", value_name = "HOST", default_value = "127.0.0.1")]
    cloud_host: String,
    /// Keep the ledgers of the simulated providers, and the files of a group that is started, in this new folder; of
    /// several scenarios each in one of its own there
    #[arg(long, requires = "live", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

impl LiveArguments {
    /// Refuses what is better not begun.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), Failure> {
        let longest_ms = millis(self.longest);
        if scenario.duration_ms <= longest_ms {
            return Ok(());
        }
        let (name, duration) = (&scenario.name, format_millis(scenario.duration_ms));
        let longest = format_millis(longest_ms);
        let message = format!(
            "{name} takes {duration} in real time, and --longest allows {longest} of live mode"
        );
        Err(Failure::usage(message).help(format!(
            "leave --live out to play it without waiting, or give --longest {duration}"
        )))
    }

    /// Plays a scenario with its files in `folder`, or in a temporary one.
    pub(super) async fn play(
        &self,
        scenario: &Scenario,
        folder: Option<PathBuf>,
        (stop, invocation): (&CancellationToken, &Invocation),
    ) -> Result<Run, Failure> {
        let files = Files::claim(folder)?;
        let mut options = LiveOptions {
            replicas: invocation.settings.endpoints.clone(),
            client: invocation.client_options(),
            agent_token: agent_token(invocation),
            cloud_host: self.cloud_host.clone(),
            directory: files.path().to_owned(),
            force: self.force,
            ends_with_run: false,
            stop: stop.clone(),
            news: Arc::new(message),
        };
        if invocation.settings.server_given {
            return run(scenario, &options).await;
        }
        let mut group = match Throwaway::start(files.path(), stop, invocation).await {
            Ok(group) => group,
            Err(failure) => {
                if !stop.is_cancelled() {
                    // The failure names the logs.
                    files.keep();
                }
                return Err(failure);
            }
        };
        options.replicas = group.replicas().to_vec();
        options.client = ClientOptions { ca_file: None, insecure: false, ..options.client };
        options.ends_with_run = true;
        message(&format!("watch  navarch -s {} status --watch", options.replicas.join(",")));
        let played = tokio::select! {
            played = run(scenario, &options) => played,
            never = group.watch() => match never {},
        };
        group.stop(invocation).await;
        played
    }
}

async fn run(scenario: &Scenario, options: &LiveOptions) -> Result<Run, Failure> {
    sim::run_live(scenario, options).await.map_err(|error| failure(&scenario.name, &error))
}

fn failure(name: &str, error: &SimError) -> Failure {
    if let SimError::Call { what, source } = error {
        return Failure::from_call(&format!("{what} for {name}"), source);
    }
    let failure = Failure::refused(format!("{name}: {error}"));
    match error {
        SimError::HasFleet { .. } => failure.help(
            "name a group without a fleet, or leave --server and NAVARCH_SERVER out: a group is then started for the \
             scenario",
        ),
        SimError::HasConfiguration { .. } => failure.help(
            "--force replaces that; without --server and NAVARCH_SERVER a group is started for the scenario",
        ),
        _ => failure,
    }
}

/// Where the files of a run lie.
enum Files {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Files {
    /// A temporary folder, or the one given, which must hold nothing: ledgers of another run would be gone on with.
    fn claim(folder: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(folder) = folder else {
            let made = tempfile::Builder::new().prefix("navarch-sim-").tempdir();
            return made.map(Self::Temporary).map_err(|error| {
                Failure::refused(format!("cannot make a temporary folder: {error}"))
                    .help("give one with --data-dir")
            });
        };
        let failed = |error: std::io::Error| {
            Failure::refused(format!("cannot use --data-dir {}: {error}", folder.display()))
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        if fs::read_dir(&folder).map_err(failed)?.next().is_some() {
            let message = format!("--data-dir {}: the folder is not empty", folder.display());
            return Err(Failure::usage(message).help("name another one, or remove what is there"));
        }
        Ok(Self::Kept(folder))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    fn keep(self) {
        if let Self::Temporary(mut folder) = self {
            folder.disable_cleanup(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a run could go on with the machines of another one.
    #[test]
    fn a_folder_with_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        let files = Files::claim(Some(inner.clone())).unwrap();
        assert_eq!(files.path(), inner);
        fs::write(inner.join("cloud-a.jsonl"), "").unwrap();
        let failure = Files::claim(Some(inner)).err().unwrap().to_string();
        assert!(failure.contains("not empty"), "{failure}");
    }
}
