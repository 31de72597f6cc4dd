//! The typed door to agreement: proposals go in, outcomes and views come out.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | [`Ledger`]: propose, read, view |
//! | `agreement` | [`Agreement`]: what is needed of `cluster`, which a replica gives |
//! | `author` | [`Author`]: who proposes, and under which fence and request |
//! | `error` | [`ProposeError`], [`ReadError`]: applied, rejected and unknown are three things |
//! | `local` | [`LocalGroup`]: agreement within one process, without Raft |
//! | `machine` | the fleet state behind `cluster`'s state machine trait, published after each batch |
//! | `saved` | fleet states from snapshots that people keep, and back |
//! | `paced_views` | [`PacedViews`]: the views for those who look for something rare |
//! | `session_clock` | LogTime within a session |
//! | `standing` | [`Standing`]: whether this replica may act as leader |
//!
//! `cluster` knows bytes, `fleet` knows rules; this module is the only one that knows both.

mod agreement;
mod author;
mod error;
mod local;
mod machine;
mod paced_views;
mod saved;
mod session_clock;
mod standing;
#[cfg(test)]
pub(crate) mod testing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use navarch_fleet::FleetState;
use navarch_host::{Clock, Moment};
use navarch_proto::fleet::{Accepted, Envelope, Outcome, Proposal, outcome, proposal};
use prost::Message as _;
use tokio::sync::watch;

pub use self::{
    agreement::Agreement,
    author::Author,
    error::{ProposeError, ReadError},
    local::{LocalFault, LocalGroup},
    machine::{FleetMachine, View},
    paced_views::PacedViews,
    saved::{Adopting, SavedError, read_saved},
    session_clock::SessionClock,
    standing::Standing,
};

/// A proposal is refused once its caller has certainly stopped waiting, and never waits longer than this
/// for its turn, so that an old retry cannot take effect behind the request table's back.
const MAX_NOT_AFTER: Duration = Duration::from_secs(30);

/// An accepted proposal.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Index of its log entry.
    pub index: u64,
    /// What the verb tells its proposer.
    pub accepted: Accepted,
}

/// Proposes to the log and reads the state that it makes. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    agreement: Arc<dyn Agreement>,
    views: watch::Receiver<View>,
    standing: Arc<watch::Sender<Standing>>,
    session_clock: Arc<SessionClock>,
    clock: Clock,
}

impl Ledger {
    /// Joins a replica and the views that its state machine publishes.
    pub fn new(agreement: Arc<dyn Agreement>, views: watch::Receiver<View>, clock: Clock) -> Self {
        let (standing, _) = watch::channel(Standing::Following);
        let session_clock = Arc::new(SessionClock::new(clock.clone()));
        Self { agreement, views, standing: Arc::new(standing), session_clock, clock }
    }

    /// Puts `kind` into the log and waits for its outcome. Only the leader can; see [`ProposeError`] for
    /// what may be concluded from a failure.
    pub async fn propose(
        &self,
        kind: proposal::Kind,
        author: &Author,
        deadline: Moment,
    ) -> Result<Committed, ProposeError> {
        let now_ms = self.log_time_ms();
        let wait = deadline.since(self.clock.now()).min(MAX_NOT_AFTER);
        if wait.is_zero() {
            let reason = "the caller's deadline has passed".to_owned();
            return Err(ProposeError::NotProposed { reason });
        }
        let envelope = Envelope {
            format: navarch_fleet::ENVELOPE_FORMAT,
            log_time_ms: now_ms,
            actor: author.actor.clone(),
            session: author.session,
            request: author.request.clone(),
            not_after_ms: brings_ms(&kind, now_ms).saturating_add(millis(wait)),
            proposal: Some(Proposal { kind: Some(kind) }),
        };
        let payload = Bytes::from(envelope.encode_to_vec());
        let applied = self.agreement.propose(payload, deadline).await?;
        let outcome = Outcome::decode(applied.answer)
            .map_err(|error| ProposeError::Unknown { reason: error.to_string() })?;
        match outcome.result {
            Some(outcome::Result::Accepted(accepted)) => {
                Ok(Committed { index: applied.index, accepted })
            }
            Some(outcome::Result::Rejection(rejection)) => {
                Err(ProposeError::Rejected { index: applied.index, rejection })
            }
            None => Err(ProposeError::Unknown { reason: "the outcome is empty".to_owned() }),
        }
    }

    /// The newest state that this replica has applied; it may lag behind the leader.
    pub fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// A state that holds everything acknowledged anywhere before this call.
    pub async fn linearizable_view(&self, deadline: Moment) -> Result<View, ReadError> {
        self.agreement.read_index(deadline).await?;
        Ok(self.view())
    }

    /// Told of every published view.
    pub fn views(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// The views, with at least `rest` between two of them.
    pub fn paced_views(&self, rest: Duration) -> PacedViews {
        PacedViews::new(self.views.clone(), self.clock.clone(), rest)
    }

    /// Whether this replica may act as leader.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Told of every change of [`Ledger::standing`].
    pub fn standings(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Records that the leader module opened, or gave up, its session.
    pub fn set_standing(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    /// The clock that stamps this replica's proposals while it leads.
    pub fn session_clock(&self) -> &SessionClock {
        &self.session_clock
    }

    /// LogTime now, in milliseconds since the Unix epoch: of the session while this replica leads, else the
    /// newest that it has applied.
    pub fn log_time_ms(&self) -> u64 {
        let applied = self.views.borrow().fleet.log_time_ms();
        match self.standing() {
            Standing::Leading { .. } => self.session_clock.now_ms().max(applied),
            Standing::Following | Standing::Opening => applied,
        }
    }

    /// The agreement underneath: who leads, and whether a quorum still answers.
    pub fn agreement(&self) -> &dyn Agreement {
        &*self.agreement
    }

    /// The clock that everything here waits on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl View {
    /// The state, by reference.
    pub fn state(&self) -> &FleetState {
        &self.fleet
    }
}

/// The LogTime that an entry brings. The opening of a session moves it to a majority's clocks, so that its
/// deadline must count from there: after a quiet minute it would have passed by the entry's own doing.
fn brings_ms(kind: &proposal::Kind, now_ms: u64) -> u64 {
    match kind {
        proposal::Kind::OpenSession(open) => open.wall_clock_ms.max(now_ms),
        _ => now_ms,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "ledger_test.rs"]
mod tests;
