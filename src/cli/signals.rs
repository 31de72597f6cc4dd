use std::{
    io::{self, Read as _},
    process,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use navarch_host::Spawner;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{failure::Failure, invocation::Invocation};

/// How long a process whose parent is gone may take to stop.
const ORPHAN_GRACE: Duration = Duration::from_secs(15);

/// A token that SIGINT or SIGTERM cancels. A second one ends the process at once.
pub(crate) fn stop_on_signal(spawner: &Arc<dyn Spawner>) -> Result<CancellationToken, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::refused(format!("cannot listen to signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    spawner.spawn("signals", async move {
        for signals in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if signals > 0 {
                // What a shell reports for a process that SIGINT ended.
                process::exit(130);
            }
            stopper.cancel();
        }
    });
    Ok(stop)
}

/// The flag that ties a process to the one that started it.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ParentArguments {
    /// Stop when stdin ends, which happens when the process at its other end is gone
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

impl ParentArguments {
    /// With the flag, cancels `stop` when stdin ends: the parent holds the other end of that pipe, and the
    /// kernel closes it however the parent dies. A process that has not stopped a while later ends the hard
    /// way.
    pub(crate) fn watch(
        self,
        stop: &CancellationToken,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        if !self.exit_with_parent {
            return Ok(());
        }
        let orphaned = CancellationToken::new();
        let ended = orphaned.clone();
        // A thread of its own: a read of stdin cannot be cancelled.
        let watch = move || {
            let mut buffer = [0; 64];
            while matches!(io::stdin().read(&mut buffer), Ok(1..)) {}
            ended.cancel();
        };
        let spawner = &invocation.spawner;
        spawner.thread("parent-watch", Box::new(watch)).map_err(|error| {
            Failure::refused(format!("cannot watch the parent process: {error}"))
        })?;
        let (stop, clock) = (stop.clone(), invocation.clock.clone());
        spawner.spawn("orphan", async move {
            orphaned.cancelled().await;
            stop.cancel();
            clock.sleep(ORPHAN_GRACE).await;
            process::exit(1);
        });
        Ok(())
    }
}
