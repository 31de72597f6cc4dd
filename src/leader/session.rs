use std::{sync::Arc, time::Duration};

use navarch_cluster::Leadership;
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
/// So old what clocks have told may be when a session opens at it.
const FRESH: Duration = Duration::from_millis(100);
/// Pause between attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(200);
/// Between two looks for a session that takes this one's place. Its fence holds meanwhile.
const LOOK_REST: Duration = Duration::from_millis(10);

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
    /// Starts their tasks; nobody else's, who would wait while one plans.
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
        while let Some(Some(term)) = stop.run_until_cancelled(self.gained()).await {
            let tenure = tokio::select! {
                tenure = self.open() => tenure,
                () = self.ousted(term) => None,
                () = stop.cancelled() => None,
            };
            match tenure {
                Some(tenure) => self.serve(&tenure, term, &stop).await,
                None => self.parts.ledger.set_standing(Standing::Following),
            }
        }
    }

    /// Waits until this replica leads: in which term; none once the replica is gone. What a session needs to be opened is asked
    /// for while a quorum confirms that it does.
    async fn gained(&self) -> Option<u64> {
        let mut leadership = self.parts.ledger.agreement().leadership();
        let gained = leadership.wait_for(Leadership::is_elected).await;
        gained.ok().map(|leadership| leadership.term)
    }

    /// Waits until a quorum has answered this replica as the leader, for as long as it is believed to be one.
    async fn confirmed(&self) {
        let mut leadership = self.parts.ledger.agreement().leadership();
        // An error means that the replica is gone: what is tried next says so.
        let _ = leadership.wait_for(|leadership| leadership.local).await;
    }

    /// Waits until this replica is not even believed to lead in `term`, or is gone.
    async fn ousted(&self, term: u64) {
        let mut leadership = self.parts.ledger.agreement().leadership();
        let _ = leadership.wait_for(|now| !now.is_elected() || now.term != term).await;
    }

    /// Waits until this replica no longer leads in `term`, or is gone. Somebody else's term may have come and
    /// gone between two looks.
    async fn lost(&self, term: u64) {
        let mut leadership = self.parts.ledger.agreement().leadership();
        // An error means that the replica is gone, and its leadership with it.
        let _ = leadership.wait_for(|now| !now.local || now.term != term).await;
    }

    /// Waits until another session than `session` is open. One term can have two leaders, one after the
    /// other, so that the term alone does not tell.
    async fn superseded(&self, session: u64) {
        let mut views = self.parts.ledger.paced_views(LOOK_REST);
        let mut view = views.newest();
        while view.fleet.session().id.0 == session {
            // None means that the replica is gone.
            let Some(next) = views.next().await else { return };
            view = next;
        }
    }

    /// Runs the controllers of `tenure` until leadership ends.
    async fn serve(&self, tenure: &Tenure, term: u64, stop: &CancellationToken) {
        let session = tenure.session();
        tracing::info!(session, "session opened");
        let controllers = (self.parts.controllers)();
        let driver = Driver::start(controllers, tenure, &self.parts.reports, &self.parts.spawner);
        tokio::select! {
            () = self.lost(term) => {}
            () = self.superseded(session) => {}
            () = stop.cancelled() => {}
        }
        // The controllers first: from here on none of them begins an effect.
        tenure.end();
        self.parts.ledger.set_standing(Standing::Following);
        driver.join().await;
        self.parts.reports.clear();
        tracing::info!(session, "session ended");
    }

    /// Commits the session's opening entry, which is the barrier too: once it is applied here, so is
    /// everything that any leader acknowledged before.
    async fn open(&self) -> Option<Tenure> {
        let ledger = &self.parts.ledger;
        ledger.set_standing(Standing::Opening);
        let mut told = self.asked_meanwhile().await;
        for attempt in 1..=OPEN_ATTEMPTS {
            match self.try_open(told.take()).await {
                Ok(tenure) => return Some(tenure),
                Err(error) => tracing::warn!(attempt, %error, "no session could be opened"),
            }
            ledger.clock().sleep(OPEN_PAUSE).await;
        }
        let deadline = ledger.clock().now() + OPEN_TIMEOUT;
        if let Err(error) = ledger.agreement().hand_over(deadline).await {
            tracing::warn!(%error, "no session, and nobody to hand leadership to");
        }
        None
    }

    /// A majority's clocks, asked while a quorum confirms that this replica leads; none if that took so long that they would
    /// have to be asked again.
    async fn asked_meanwhile(&self) -> Option<u64> {
        let clock = self.parts.ledger.clock();
        let begun = clock.now();
        let asked = self.parts.ledger.agreement().majority_wall_clock(begun + OPEN_TIMEOUT);
        let (told, ()) = futures::join!(asked, self.confirmed());
        told.ok().filter(|_| clock.now().since(begun) <= FRESH)
    }

    /// Opens a session at the time that a majority's clocks have `told`, or tell now.
    async fn try_open(&self, told: Option<u64>) -> Result<Tenure, ProposeError> {
        let ledger = &self.parts.ledger;
        let deadline = ledger.clock().now() + OPEN_TIMEOUT;
        let wall_clock_ms = match told {
            Some(told) => told,
            None => ledger.agreement().majority_wall_clock(deadline).await.map_err(|error| {
                ProposeError::NotProposed { reason: format!("a majority's clocks: {error}") }
            })?,
        };
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

#[cfg(test)]
#[path = "session_test.rs"]
mod tests;
