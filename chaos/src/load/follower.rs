use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use navarch::client::Client;
use navarch_host::TaskHandle;
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use crate::{evidence::Watch, host::Host};

/// Before a watch that broke is begun again.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches the journal through all that befalls the group, and begins again where it was whenever the watch breaks.
pub struct Follower {
    told: Arc<Mutex<Watch>>,
    stop: CancellationToken,
    task: TaskHandle,
}

impl Follower {
    /// Starts to watch what comes after the event `since`.
    pub fn start(host: &Host, client: Client, since: u64) -> Self {
        let watch = Watch { watcher: "a follower".to_owned(), since, ..Watch::default() };
        let (told, stop) = (Arc::new(Mutex::new(watch)), CancellationToken::new());
        let follow = follow(host.clone(), client, Arc::clone(&told));
        let until = stop.clone();
        let task = host.spawner.spawn("follower", async move {
            until.run_until_cancelled(follow).await;
        });
        Self { told, stop, task }
    }

    /// The last event that it was told of.
    pub fn last(&self) -> u64 {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.indices.last().copied().unwrap_or(told.since)
    }

    /// Ends the watch; all that it told.
    pub async fn stop(self) -> Watch {
        self.stop.cancel();
        self.task.join().await;
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn follow(host: Host, client: Client, told: Arc<Mutex<Watch>>) {
    loop {
        let since = {
            let told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.indices.last().copied().unwrap_or(told.since)
        };
        let request = api::WatchEventsRequest { since: Some(since), ..Default::default() };
        if let Ok(mut stream) = client.watch_events(request).await {
            while let Some(Ok(event)) = stream.next().await {
                told.lock().unwrap_or_else(PoisonError::into_inner).indices.push(event.index);
            }
        }
        told.lock().unwrap_or_else(PoisonError::into_inner).resumed += 1;
        host.clock.sleep(PAUSE).await;
    }
}
