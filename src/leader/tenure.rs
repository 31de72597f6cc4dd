use std::{
    future::ready,
    ops::ControlFlow,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use navarch_proto::fleet::{ExpireCommands, proposal::Kind};
use tokio_util::sync::CancellationToken;

use super::{Report, crash_point};
use crate::ledger::{Author, Committed, Ledger, ProposeError, View};

/// How long a controller waits for its proposal; afterwards the outcome is unknown and the next pass looks.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Proposals of one controller that may be under way at once.
const AT_ONCE: usize = 64;

/// This replica can no longer be sure that it leads, so nothing outside the log may be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quorum acknowledged this leader recently; not acting")]
pub struct Doubt;

/// One leader's session, as one of its controllers sees it. Everything proposed through it is fenced: once
/// another session has opened, the state machine rejects it.
#[derive(Clone)]
pub struct Tenure {
    controller: &'static str,
    session: u64,
    ledger: Ledger,
    half_lease: Duration,
    ended: CancellationToken,
    /// A proposal of this controller may still take effect.
    unsettled: Arc<AtomicBool>,
}

impl Tenure {
    pub(crate) fn new(session: u64, ledger: Ledger, half_lease: Duration) -> Self {
        let (ended, unsettled) = (CancellationToken::new(), Arc::default());
        Self { controller: "leader", session, ledger, half_lease, ended, unsettled }
    }

    /// The same session for the controller of that name.
    pub(crate) fn of(&self, controller: &'static str) -> Self {
        Self { controller, unsettled: Arc::default(), ..self.clone() }
    }

    /// Tells all controllers to stop.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// The session id: the log index of its opening entry.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The fleet as this replica has applied it; it holds everything that this session was answered.
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

    /// Proposes as this controller, fenced by this session.
    pub async fn propose(&self, kind: Kind) -> Result<Committed, ProposeError> {
        let deadline = self.ledger.clock().now() + PROPOSE_TIMEOUT;
        let author = Author::controller(self.controller, self.session);
        // Telling a proposal's name takes longer than some proposals.
        let verb = if crash_point::is_wanted() { verb(&kind) } else { String::new() };
        self.crash_point(&verb, "before");
        let proposed = self.ledger.propose(kind, &author, deadline).await;
        self.crash_point(&verb, "after");
        if let Err(ProposeError::Unknown { .. }) = proposed {
            self.unsettled.store(true, Ordering::Relaxed);
        }
        proposed
    }

    /// Proposes `steps` in turn and counts what became of each; breaks off where the next would fare no
    /// better.
    pub async fn carry_out(
        &self,
        steps: impl IntoIterator<Item = Kind, IntoIter: Send> + Send,
        report: &mut Report,
    ) -> ControlFlow<()> {
        for step in steps {
            report.proposed(self.propose(step).await)?;
        }
        ControlFlow::Continue(())
    }

    /// The same where no step is there for the sake of another: many are under way at once, so that they share the
    /// log's round trips. Those that have begun when it breaks off are waited for: one that took effect later would
    /// not be in what the next pass sees.
    pub async fn carry_out_together(
        &self,
        steps: impl IntoIterator<Item = Kind, IntoIter: Send> + Send,
        report: &mut Report,
    ) -> ControlFlow<()> {
        let broken = AtomicBool::new(false);
        let begun = stream::iter(steps).take_while(|_| ready(!broken.load(Ordering::Relaxed)));
        let mut proposed = pin!(begun.map(|step| self.propose(step)).buffered(AT_ONCE));
        let mut next = ControlFlow::Continue(());
        while let Some(outcome) = proposed.next().await {
            if report.proposed(outcome).is_break() {
                broken.store(true, Ordering::Relaxed);
                next = ControlFlow::Break(());
            }
        }
        next
    }

    /// Call right before every effect outside the log. A leader that is cut off is not told, so what counts
    /// is that a quorum acknowledged it within half of its lease.
    pub fn confirm(&self) -> Result<(), Doubt> {
        let confirmed = !self.ended.is_cancelled()
            && self.ledger.agreement().quorum_acknowledged_within(self.half_lease);
        if confirmed { Ok(()) } else { Err(Doubt) }
    }

    /// A place where a chaos run may have this leader die: before or after a step.
    pub fn crash_point(&self, step: &str, moment: &str) {
        crash_point::pass(|| format!("{}.{step}.{moment}", self.controller));
    }

    /// After a proposal of unknown outcome: waits until it has taken effect or never will. Planning before
    /// that could decide the same thing twice, a purchase among others.
    pub(super) async fn settle(&self) -> Result<(), ProposeError> {
        if self.unsettled.load(Ordering::Relaxed) {
            // A leader's entries keep their order, so what was proposed earlier is decided once this one is
            // answered. It is the one verb that changes nothing before its time.
            self.propose(Kind::ExpireCommands(ExpireCommands {})).await?;
            self.unsettled.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The proposal's name, for crash points.
fn verb(kind: &Kind) -> String {
    let text = format!("{kind:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}
