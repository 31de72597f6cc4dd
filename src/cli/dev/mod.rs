//! `navarch dev`: a whole group on this machine.
//!
//! | module | what is there |
//! |---|---|
//! | `plan` | which processes, ports and files; the configuration of each replica |
//! | `ports` | whether all ports are free |
//! | `child` | a process that is kept running and stops with us |
//! | `group` | all processes of the group |
//! | `view` | what a person sees |
//! | `throwaway` | a group for one purpose, without a fleet and a fake cloud |
//!
//! Ports: the replicas' API on PORT, PORT+1, ...; the fake cloud on PORT+50; the replicas among themselves on
//! PORT+100, PORT+101, ... or, where Linux gives those to outgoing connections, PORT-30000, PORT-29999, ...
//! Files in DIR: `r1/` the replica's data with its process id in `pid`, `r1.yaml` its configuration, `r1.log` its
//! log; `fake-cloud.jsonl` the fake cloud's ledger, `fake-cloud.log` its log; `dev.json` how the group is laid
//! out, which a later run in the same directory goes on with.

mod child;
mod group;
mod plan;
#[cfg(test)]
mod plan_test;
mod ports;
mod throwaway;
mod view;

use std::{
    fs,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use clap::Args;
use navarch_host::Moment;
use tokio_util::sync::CancellationToken;

pub(super) use self::throwaway::Throwaway;
use self::{group::Group, plan::Plan, view::View};
use super::{apply, duration, failure::Failure, invocation::Invocation, signals};
use crate::config::{Yaml, dev_file};

/// Where everything lies when nobody says otherwise.
const DEFAULT_DIRECTORY: &str = "navarch-dev";

/// `navarch dev`
#[derive(Clone, Debug, Args)]
pub(crate) struct DevArguments {
    /// A configuration file; an original-style one runs as it is [default: one pool on the fake cloud]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replicas of the control plane
    #[arg(long, default_value_t = 3)]
    replicas: u16,
    /// Machines of the default file's pool
    #[arg(long, default_value_t = 16, conflicts_with = "config")]
    nodes: u32,
    /// The first replica's port; the others follow, the fake cloud is 50 above; ports for peers are chosen apart
    #[arg(long, default_value_t = 50_051)]
    port: u16,
    /// Where everything lies; a later run goes on with it
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIRECTORY)]
    data_dir: PathBuf,
    /// Stop after so long
    #[arg(long, value_parser = duration::parse_positive, value_name = "DURATION")]
    exit_after: Option<Duration>,
    /// How long after its end a killed process is started again; 0: never
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "DURATION")]
    restart_after: Duration,
}

impl DevArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let started = invocation.clock.now();
        let stop = signals::stop_on_signal(&invocation.spawner)?;
        self.stop_later(started, &stop, invocation);
        let mut plan = Plan::new(&self.data_dir, self.replicas, self.port)?;
        let (base, folder) = self.base()?;
        plan.cloud_arguments = Plan::cloud_of(&base);
        ports::check_free(&plan.ports())?;
        let goes_on = plan.claim_directory()?;
        write_configurations(&plan, &base, &folder)?;
        let header = header(&plan, goes_on);
        invocation.printer.line(&header)?;
        let view = View::new(header, invocation.printer.screen());
        Group::start(&plan, self.restart_after, &stop, invocation)?
            .run(view, started, invocation)
            .await
    }

    /// Stops the group when its time is over.
    fn stop_later(&self, started: Moment, stop: &CancellationToken, invocation: &Invocation) {
        let Some(exit_after) = self.exit_after else {
            return;
        };
        let over = invocation.clock.sleep_until(started + exit_after);
        let stop = stop.clone();
        invocation.spawner.spawn("exit after", async move {
            over.await;
            stop.cancel();
        });
    }

    /// The file to start from, and the folder that its relative paths count from.
    fn base(&self) -> Result<(Yaml, PathBuf), Failure> {
        let Some(path) = &self.config else {
            let yaml = Yaml::read(&dev_file(self.nodes), "the default file");
            return Ok((yaml.map_err(Failure::wrong_file)?, PathBuf::new()));
        };
        // Mistakes are shown in the person's own file, not in ours.
        apply::warn(&apply::load(path)?);
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        let yaml = Yaml::read(&text, &name).map_err(Failure::wrong_file)?;
        let path = absolute(path)
            .map_err(|error| Failure::usage(format!("cannot locate {name}: {error}")))?;
        Ok((yaml, path.parent().map(Path::to_owned).unwrap_or_default()))
    }
}

fn write_configurations(plan: &Plan, base: &Yaml, folder: &Path) -> Result<(), Failure> {
    for replica in &plan.replicas {
        let path = plan.config_file(replica);
        let text = plan.configuration(replica, base, folder).write();
        let text = format!("# Written at each start of the group.\n{text}");
        fs::write(&path, text).map_err(|error| {
            Failure::refused(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn header(plan: &Plan, goes_on: bool) -> String {
    let mut lines: Vec<_> = plan
        .replicas
        .iter()
        .map(|replica| format!("{}          {}", replica.name, replica.address()))
        .collect();
    lines.push(format!("fake cloud  {}", plan.cloud_address()));
    lines.push(format!("data        {}", plan.directory.display()));
    if goes_on {
        lines.push(
            "            an earlier run's fleet goes on; `navarch apply -f FILE` changes it"
                .to_owned(),
        );
    }
    lines.push(format!("try         navarch -s {} status", plan.servers()));
    lines.join("\n")
}
