use std::{net::SocketAddr, sync::Arc, time::Duration};

use navarch_host::{Clock, Spawner};
use tokio_util::sync::CancellationToken;

use super::{
    Controls, FakeCloudError, FakeCloudOptions,
    agents::{Receipts, SimulatedAgents},
    estate::Estate,
    http::{Listener, Service, router},
};
use crate::provider::fake::{AgentBooter, NoAgents};

/// How long a stop waits for the ledger's thread to end, so that the file is free for the next one.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A fake cloud that has its ledger and its address, and is ready to serve.
pub struct FakeCloud {
    listener: Listener,
    service: Service,
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    /// Ends everything that it has started.
    stop: CancellationToken,
}

/// Runs a fake cloud until `stop`: what `navarch fake-cloud` does.
///
/// # Errors
///
/// It cannot start, or its ledger cannot be written any more: a ledger that lies is worse than none.
pub async fn serve(
    options: FakeCloudOptions,
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    stop: CancellationToken,
) -> Result<(), FakeCloudError> {
    let cloud = FakeCloud::start(options, clock, spawner).await?;
    tracing::info!(address = %cloud.address(), "fake cloud listens");
    cloud.run(stop).await
}

impl FakeCloud {
    /// Opens the ledger, boots what was on, and listens; requests wait until [`FakeCloud::run`].
    ///
    /// # Errors
    ///
    /// The address or the ledger cannot be used, or the agents' replicas make no sense.
    pub async fn start(
        options: FakeCloudOptions,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
    ) -> Result<Self, FakeCloudError> {
        let listener = Listener::bind(&options.listen).await?;
        let stop = CancellationToken::new();
        let receipts = Arc::new(Receipts::default());
        let beats = options.agents.as_ref().map(|agents| Arc::clone(&agents.beats));
        let booter: Arc<dyn AgentBooter> = match &options.agents {
            Some(agents) => Arc::new(SimulatedAgents::start(
                agents.clone(),
                Arc::clone(&receipts),
                clock.clone(),
                Arc::clone(&spawner),
                stop.clone(),
            )?),
            None => Arc::new(NoAgents),
        };
        let estate =
            Estate::open(&options, clock.clone(), Arc::clone(&spawner), booter, stop.clone())?;
        let service =
            Service { estate, receipts, beats: beats.unwrap_or_default(), token: options.token };
        Ok(Self { listener, service, clock, spawner, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Its levers.
    pub fn controls(&self) -> Controls {
        Controls::new(&self.service.estate)
    }

    /// Serves until `stop`. Its machines stay rented, and boot again when the ledger is opened next.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written any more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), FakeCloudError> {
        let writer = self.service.estate.writer().clone();
        let estate = Arc::clone(&self.service.estate);
        let router = router(self.service);
        let serving = self.listener.serve(
            router,
            self.clock.clone(),
            Arc::clone(&self.spawner),
            self.stop.clone(),
        );
        let ended = async {
            let result = tokio::select! {
                () = stop.cancelled() => Ok(()),
                error = writer.failed() => Err(error),
            };
            self.stop.cancel();
            result
        };
        let (result, ()) = tokio::join!(ended, serving);
        estate.power_off_all();
        drop(estate);
        if self.clock.timeout(CLOSE_LIMIT, writer.closed()).await.is_err() {
            tracing::warn!("the ledger's thread has not ended yet");
        }
        result
    }
}
