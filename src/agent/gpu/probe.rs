use std::{io, sync::Arc, time::Duration};

use navarch_host::{Clock, Spawner};
use navarch_proto::api::{GpuInfo, GpuMetrics};
use tokio::sync::{mpsc, oneshot};

use super::{GpuError, GpuSource};

/// How long a driver may take; a hung one never answers.
const LIMIT: Duration = Duration::from_secs(5);

type Question = Box<dyn FnOnce(&dyn GpuSource) + Send>;

/// Asks a GPU source without ever being held up by it.
pub(in crate::agent) struct GpuProbe {
    source: Arc<dyn GpuSource>,
    clock: Clock,
    /// The thread that asks a source which may block; it takes one question at a time.
    thread: Option<mpsc::Sender<Question>>,
}

impl GpuProbe {
    pub(in crate::agent) fn start(
        source: Arc<dyn GpuSource>,
        clock: Clock,
        spawner: &dyn Spawner,
    ) -> io::Result<Self> {
        let mut thread = None;
        if source.may_block() {
            let (sender, mut questions) = mpsc::channel::<Question>(1);
            let asked = Arc::clone(&source);
            let body = move || {
                while let Some(question) = questions.blocking_recv() {
                    question(&*asked);
                }
            };
            spawner.thread("gpu probe", Box::new(body))?;
            thread = Some(sender);
        }
        Ok(Self { source, clock, thread })
    }

    pub(in crate::agent) fn source(&self) -> &dyn GpuSource {
        &*self.source
    }

    /// The GPUs as they are registered.
    pub(in crate::agent) async fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
        self.ask(|source| source.describe()).await
    }

    /// Figures of all GPUs now.
    pub(in crate::agent) async fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
        self.ask(|source| source.sample()).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn GpuSource) -> Result<T, GpuError> + Send + 'static,
    ) -> Result<T, GpuError> {
        let Some(thread) = &self.thread else {
            return question(&*self.source);
        };
        let (sender, answer) = oneshot::channel();
        let asked: Question = Box::new(move |source| {
            // Whoever asked may have given up.
            let _ = sender.send(question(source));
        });
        let exchange = async {
            thread.send(asked).await.ok()?;
            answer.await.ok()
        };
        match self.clock.timeout(LIMIT, exchange).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(GpuError("the thread that asks the GPU driver has ended".to_owned())),
            Err(_) => Err(GpuError(format!("the GPU driver did not answer within {LIMIT:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc as std_mpsc};

    use navarch_host::{FakeClock, SystemSpawner};

    use super::*;
    use crate::agent::gpu::{GpuNews, XidWatch};

    /// A driver that hangs until the other end is dropped.
    struct Hanging(Mutex<std_mpsc::Receiver<()>>);

    impl GpuSource for Hanging {
        fn name(&self) -> &'static str {
            "hanging"
        }

        fn may_block(&self) -> bool {
            true
        }

        fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
            let _ = self.0.lock().unwrap().recv();
            Ok(vec![GpuInfo::default()])
        }

        fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
            Ok(Vec::new())
        }

        fn take_news(&self) -> GpuNews {
            GpuNews::default()
        }

        fn xid_watch(&self) -> XidWatch {
            XidWatch::Watching
        }
    }

    /// Without it a hung driver would silence the whole node instead of being reported.
    #[tokio::test]
    async fn a_driver_that_hangs_is_given_up_and_asked_again_later() {
        let (held, released) = std_mpsc::channel();
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let source = Arc::new(Hanging(Mutex::new(released)));
        let spawner = SystemSpawner::current();
        let probe = GpuProbe::start(source, clock, &*spawner).unwrap();
        let (first, ()) = tokio::join!(probe.describe(), fake.advance(LIMIT));
        assert!(first.unwrap_err().0.contains("did not answer"));
        let (second, ()) = tokio::join!(probe.sample(), fake.advance(LIMIT));
        assert!(second.is_err());
        drop(held);
        assert_eq!(probe.describe().await.unwrap().len(), 1);
    }
}
