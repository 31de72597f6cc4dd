use std::path::PathBuf;

use clap::Args;

use super::{
    apply,
    failure::Failure,
    invocation::Invocation,
    signals::{self, ParentArguments},
};
use crate::server::{self, Options};

/// `navarch server --config FILE`
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Where this replica keeps its log and snapshots [default: cluster.data_dir of the file]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Form a new group: on one replica, at its first start
    #[arg(long)]
    bootstrap: bool,
    #[command(flatten)]
    parent: ParentArguments,
}

impl ServerArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let config = apply::load(&self.config)?;
        apply::warn(&config);
        let stop = signals::stop_on_signal(&invocation.spawner)?;
        self.parent.watch(&stop, invocation)?;
        let (data_dir, bootstrap) = (self.data_dir, self.bootstrap);
        let options = Options { data_dir, bootstrap, ..Options::new(config) };
        server::run(options, stop)
            .await
            .map_err(|error| Failure::refused(format!("this replica cannot go on: {error}")))
    }
}
