use std::{io, num::NonZero, sync::Arc, thread};

use navarch_cluster::StartError;
use navarch_host::Spawner;

/// Threads for clients' connections at most: Raft's own thread is what limits writes long before that.
const MOST_FOR_CLIENTS: usize = 8;

/// One runtime a processor for clients' connections.
pub(super) fn for_clients(spawner: &dyn Spawner) -> Result<Vec<Arc<dyn Spawner>>, StartError> {
    let count = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_FOR_CLIENTS);
    let runtimes = (0..count).map(|_| spawner.runtime("clients"));
    runtimes.collect::<Result<_, _>>().map_err(none("a runtime for clients"))
}

/// The controllers' own: a pass over a large fleet keeps a processor busy for longer than calls that others relay should
/// wait.
pub(super) fn for_controllers(spawner: &dyn Spawner) -> Result<Arc<dyn Spawner>, StartError> {
    spawner.busy_runtime("controllers").map_err(none("a runtime for controllers"))
}

fn none(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Runtime { what, source }
}
