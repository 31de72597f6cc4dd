use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use navarch_cluster::{ReplicaConfig, RestoreError, SnapshotInfo, restore, who_answers};
use serde_json::json;

use super::{blocking, confirm::confirm, summary::Summary, unusable};
use crate::{
    cli::{apply, failure::Failure, invocation::Invocation, output::message},
    ledger::{Adopting, read_saved},
    server::{Options, cluster_config},
};

/// How long a replica may take to answer who it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// `navarch snapshot restore FILE --config FILE`
#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The snapshot
    file: PathBuf,
    /// The configuration file of the replica that is to begin the new group
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Where that replica keeps its log and snapshots; must be empty [default: cluster.data_dir of the file]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Restore although a replica of a group answers at an address of the configuration or the snapshot
    #[arg(long)]
    force: bool,
    /// The group that the snapshot was taken from is gone for good, and this one takes its machines over
    #[arg(long)]
    yes_take_over: bool,
}

impl RestoreArguments {
    pub(super) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let loaded = apply::load(&self.config)?;
        apply::warn(&loaded);
        let data_dir = self.data_dir.clone();
        let config = cluster_config(&Options { data_dir, ..Options::new(loaded) });
        let file = self.file.clone();
        let read = blocking(move || read_saved(&file).map_err(|error| unusable(&error)));
        let (saved, fleet) = read.await?;
        let info = saved.info();
        let summary = Summary::of(info.clone(), &fleet);
        message(&format!("{}: {}", self.file.display(), summary.line()));
        self.check_silence(&config, &info, invocation).await?;
        let cluster_id = fleet.cluster_id(&info.group_id).to_owned();
        if !self.yes_take_over {
            let question = format!(
                "the group that the snapshot was taken from must be gone for good, for the new one takes \
                 over every machine of cluster {cluster_id}"
            );
            confirm(&question, "take-over", "--yes-take-over").await?;
        }
        let wall_ms = invocation.clock.wall_ms();
        let (name, directory) = (config.name.clone(), config.data_dir.display().to_string());
        let group_id = blocking(move || {
            let adopting =
                Adopting::begin(fleet, &saved, wall_ms).map_err(|error| unusable(&error))?;
            let index = adopting.index;
            restore(&config, index, adopting.into_image().as_ref())
                .map_err(|error| not_made(&error))
        });
        let group_id = group_id.await?;
        let text = format!("group {group_id} begins with replica {name} in {directory}");
        let value = json!({
            "group_id": group_id,
            "cluster_id": cluster_id,
            "replica": name,
            "data_dir": directory,
            "last_index": info.last_index,
        });
        invocation.printer.result(&text, &group_id, &value)?;
        message(&format!(
            "next: start it with `navarch server --config {}`, and the others with empty data directories; admit each \
             with `navarch replica add NAME ADDRESS --voter`. The fleet is in adopt mode: nothing is bought or given \
             back until `navarch snapshot end-adoption`",
            self.config.display()
        ));
        Ok(())
    }

    /// A group that still works on these machines would work against the new one.
    async fn check_silence(
        &self,
        config: &ReplicaConfig,
        info: &SnapshotInfo,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        let named = config.initial_replicas.iter().map(|replica| replica.address.clone());
        let known = info.replicas.iter().map(|replica| replica.address.clone());
        let addresses: BTreeSet<String> =
            named.chain(known).chain([config.advertised.clone()]).collect();
        let addresses: Vec<_> = addresses.into_iter().collect();
        let heard = who_answers(&addresses, config.tls.as_ref(), &invocation.clock, ANSWER_LIMIT);
        let heard = heard.await.map_err(|error| Failure::usage(error.to_string()))?;
        let mut alive = Vec::new();
        for presence in heard {
            if let Ok(replica) = presence.answer
                && let Some(group) = replica.group_id
            {
                let old = if group == info.group_id { "the snapshot's group" } else { "group" };
                alive.push(format!("{} at {} of {old} {group}", replica.name, presence.address));
            }
        }
        if alive.is_empty() {
            return Ok(());
        }
        let alive = format!("replicas answer: {}", alive.join(", "));
        if self.force {
            message(&format!("warning: {alive}; restoring all the same (--force)"));
            return Ok(());
        }
        Err(Failure::refused(format!("{alive}; nothing was restored")).help(
            "stop them and move their data directories away, or restore all the same with --force: two groups would \
             work on the same machines",
        ))
    }
}

fn not_made(error: &RestoreError) -> Failure {
    let text = error.to_string();
    match error {
        RestoreError::Config(_) => Failure::usage(text),
        RestoreError::NotEmpty { .. } | RestoreError::List { .. } | RestoreError::Store(_) => {
            Failure::refused(text)
        }
    }
}
