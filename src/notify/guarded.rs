use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_host::{Clock, guarded};

use super::{DrainStatus, Notice, Notifier, NotifyError};

/// How long a call may take.
const LONGEST_CALL: Duration = Duration::from_secs(30);

/// A notifier of the program that embeds the control plane, of which nothing is taken for granted: a call that
/// panics or hangs counts as not heard, and is made again.
pub(super) struct Guarded {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) clock: Clock,
}

impl Guarded {
    async fn call<T: Send>(
        &self,
        call: impl Future<Output = Result<T, NotifyError>> + Send,
    ) -> Result<T, NotifyError> {
        let called = guarded(&self.clock, LONGEST_CALL, call).await;
        called.unwrap_or_else(|mishap| Err(NotifyError::Failed(format!("the notifier {mishap}"))))
    }
}

#[async_trait]
impl Notifier for Guarded {
    async fn cordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.call(async { self.notifier.cordon(notice).await }).await
    }

    async fn uncordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.call(async { self.notifier.uncordon(notice).await }).await
    }

    async fn drain(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.call(async { self.notifier.drain(notice).await }).await
    }

    async fn drain_status(&self, node_id: &str) -> Result<DrainStatus, NotifyError> {
        self.call(async { self.notifier.drain_status(node_id).await }).await
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;
    use navarch_proto::fleet::NotifierSpec;

    use super::*;
    use crate::notify::Channels;

    struct Breaks;

    #[async_trait]
    impl Notifier for Breaks {
        async fn cordon(&self, _: &Notice) -> Result<(), NotifyError> {
            panic!("no luck")
        }

        async fn uncordon(&self, _: &Notice) -> Result<(), NotifyError> {
            std::future::pending().await
        }

        async fn drain(&self, _: &Notice) -> Result<(), NotifyError> {
            Err(NotifyError::Refused("not now".to_owned()))
        }

        async fn drain_status(&self, _: &str) -> Result<DrainStatus, NotifyError> {
            Ok(DrainStatus::default())
        }
    }

    /// Without it a replica without the program's notifier would take drains for over that nobody was told of, or a
    /// notifier that panics would never be called again about that node.
    #[tokio::test(flavor = "current_thread")]
    async fn an_own_notifier_is_called_under_guard() {
        let time = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&time));
        let spec = NotifierSpec { r#type: "custom".to_owned(), ..NotifierSpec::default() };
        let environment = Arc::new(|_: &str| None) as _;
        let none = Channels::build(&spec, &clock, &environment, None).err().unwrap();
        assert!(none.to_string().contains("the program of the leading replica has none"), "{none}");

        let own: Arc<dyn Notifier> = Arc::new(Breaks);
        let channels = Channels::build(&spec, &clock, &environment, Some(&own)).unwrap();
        let (own, notice) =
            (channels.notifier, Notice { node_id: "n".into(), reason: "".into(), at_ms: 0 });
        let failed = |why: &str| Err(NotifyError::Failed(why.to_owned()));
        assert_eq!(own.cordon(&notice).await, failed("the notifier panicked, no luck"));
        let (late, ()) = tokio::join!(own.uncordon(&notice), time.advance(Duration::from_secs(30)));
        assert_eq!(late, failed("the notifier did not answer within 30 s"));
        assert_eq!(own.drain(&notice).await, Err(NotifyError::Refused("not now".to_owned())));
        assert!(own.drain_status("n").await.is_ok());
    }
}
