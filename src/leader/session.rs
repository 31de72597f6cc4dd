use std::{sync::Arc, time::Duration};

use navarch_host::Spawner;
use navarch_proto::fleet::{OpenSession, proposal::Kind};
use tokio_util::sync::CancellationToken;

use super::{Controller, Reports, Tenure, driver::Driver};
use crate::{
    ledger::{Author, Ledger, ProposeError, Standing},
    liveness::Liveness,
};

/// How long one attempt to open a session may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// After that many failed attempts the replica hands leadership to another.
const OPEN_ATTEMPTS: u32 = 3;
/// Pause between attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(200);

/// Makes the controllers of a session; what they remember dies with it.
pub type ControllerSet = Arc<dyn Fn() -> Vec<Box<dyn Controller>> + Send + Sync>;

/// What a [`Leader`] is made of.
pub struct LeaderParts {
    /// The log and the state.
    pub ledger: Ledger,
    /// Who was heard from when; starts afresh with each session.
    pub liveness: Arc<Liveness>,
    /// The controllers to run.
    pub controllers: ControllerSet,
    /// Where their last results go.
    pub reports: Reports,
    /// Starts their tasks.
    pub spawner: Arc<dyn Spawner>,
    /// This replica's name, for the journal.
    pub name: String,
    /// Half of Raft's lease: how fresh a quorum's acknowledgement must be before an effect outside the log.
    pub half_lease: Duration,
}

/// Turns Raft's leadership into sessions.
pub struct Leader {
    parts: LeaderParts,
    boot_id: String,
}

impl Leader {
    /// `boot_id` tells two starts of one replica apart.
    pub fn new(parts: LeaderParts, boot_id: String) -> Self {
        Self { parts, boot_id }
    }

    /// Opens a session whenever this replica leads and ends it when it no longer does, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(true) = stop.run_until_cancelled(self.leads(true)).await {
            let tenure = tokio::select! {
                tenure = self.open() => tenure,
                _ = self.leads(false) => None,
                () = stop.cancelled() => None,
            };
            match tenure {
                Some(tenure) => self.serve(tenure, &stop).await,
                None => self.parts.ledger.set_standing(Standing::Following),
            }
        }
    }

    /// Waits until this replica leads, or no longer does; false once the replica is gone.
    async fn leads(&self, local: bool) -> bool {
        let mut leadership = self.parts.ledger.replica().leadership();
        leadership.wait_for(|leadership| leadership.local == local).await.is_ok()
    }

    /// Runs the controllers of `tenure` until leadership ends.
    async fn serve(&self, tenure: Tenure, stop: &CancellationToken) {
        let session = tenure.session();
        tracing::info!(session, "session opened");
        let driver = Driver::start(
            (self.parts.controllers)(),
            &tenure,
            &self.parts.reports,
            &self.parts.spawner,
        );
        // Ends when leadership does, or at once when the replica is gone.
        stop.run_until_cancelled(self.leads(false)).await;
        self.parts.ledger.set_standing(Standing::Following);
        tenure.end();
        driver.join().await;
        self.parts.reports.clear();
        tracing::info!(session, "session ended");
    }

    /// Commits the session's opening entry, which is the barrier too: once it is applied here, so is
    /// everything that any leader acknowledged before.
    async fn open(&self) -> Option<Tenure> {
        let ledger = &self.parts.ledger;
        ledger.set_standing(Standing::Opening);
        for attempt in 1..=OPEN_ATTEMPTS {
            match self.try_open().await {
                Ok(tenure) => return Some(tenure),
                Err(error) => tracing::warn!(attempt, %error, "no session could be opened"),
            }
            ledger.clock().sleep(OPEN_PAUSE).await;
        }
        let deadline = ledger.clock().now() + OPEN_TIMEOUT;
        if let Err(error) = ledger.replica().transfer_leader(None, deadline).await {
            tracing::warn!(%error, "no session, and nobody to hand leadership to");
        }
        None
    }

    async fn try_open(&self) -> Result<Tenure, ProposeError> {
        let ledger = &self.parts.ledger;
        let deadline = ledger.clock().now() + OPEN_TIMEOUT;
        let wall_clock_ms = ledger.replica().majority_wall_clock(deadline).await.map_err(
            |error| ProposeError::NotProposed { reason: format!("a majority's clocks: {error}") },
        )?;
        let open = OpenSession {
            replica: self.parts.name.clone(),
            boot_id: self.boot_id.clone(),
            wall_clock_ms,
        };
        let author = Author::caller(format!("replica:{}", self.parts.name));
        let committed = ledger.propose(Kind::OpenSession(open), &author, deadline).await?;
        let session = committed.accepted.session;
        let opened_ms = committed.accepted.log_time_ms;
        ledger.session_clock().open(opened_ms);
        self.parts.liveness.open_session(opened_ms);
        ledger.set_standing(Standing::Leading { session });
        Ok(Tenure::new(session, ledger.clone(), self.parts.half_lease))
    }
}
