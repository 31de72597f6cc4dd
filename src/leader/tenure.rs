use std::time::Duration;

use navarch_proto::fleet::proposal;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Author, Committed, Ledger, ProposeError, View};

/// How long a controller waits for its proposal; afterwards the outcome is unknown and the next pass looks.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// This replica can no longer be sure that it leads, so nothing outside the log may be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quorum acknowledged this leader recently; not acting")]
pub struct Doubt;

/// One leader's session, as its controllers see it. Everything proposed through it is fenced: once another
/// session has opened, the state machine rejects it.
#[derive(Clone)]
pub struct Tenure {
    session: u64,
    ledger: Ledger,
    half_lease: Duration,
    ended: CancellationToken,
}

impl Tenure {
    pub(super) fn new(session: u64, ledger: Ledger, half_lease: Duration) -> Self {
        Self { session, ledger, half_lease, ended: CancellationToken::new() }
    }

    /// Tells all controllers to stop.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// The session id: the log index of its opening entry.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The fleet as this replica has applied it.
    pub fn view(&self) -> View {
        self.ledger.view()
    }

    /// LogTime now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.ledger.log_time_ms()
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Cancelled when the session ends.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Proposes as the controller `name`, fenced by this session.
    pub async fn propose(
        &self,
        name: &str,
        kind: proposal::Kind,
    ) -> Result<Committed, ProposeError> {
        let deadline = self.ledger.clock().now() + PROPOSE_TIMEOUT;
        self.ledger.propose(kind, &Author::controller(name, self.session), deadline).await
    }

    /// Call right before every effect outside the log. A leader that is cut off is not told, so what counts
    /// is that a quorum acknowledged it within half of its lease.
    pub fn confirm(&self) -> Result<(), Doubt> {
        let confirmed = !self.ended.is_cancelled()
            && self.ledger.replica().quorum_acknowledged_within(self.half_lease);
        if confirmed { Ok(()) } else { Err(Doubt) }
    }
}
