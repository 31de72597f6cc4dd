use std::sync::Arc;

use navarch_host::{Clock, Spawner, SystemSpawner};

/// Time and tasks.
pub(super) struct Host {
    /// The fleet's time.
    pub(super) clock: Clock,
    /// The time of sockets, disks and peers.
    pub(super) timers: Clock,
    pub(super) spawner: Arc<dyn Spawner>,
}

impl Host {
    /// The system's, with the fleet's time by `clock` if there is one.
    pub(super) fn new(clock: Option<Clock>) -> Self {
        let timers = Clock::system();
        let clock = clock.unwrap_or_else(|| timers.clone());
        Self { clock, timers, spawner: SystemSpawner::current() }
    }
}
