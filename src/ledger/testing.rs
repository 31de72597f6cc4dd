//! A ledger on a fake clock, for tests of what stands above it.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use navarch_cluster::ReplicaId;
use navarch_host::{Clock, FakeClock};
use navarch_proto::fleet::{OpenSession, proposal::Kind};
use tokio::sync::watch;

use super::{Author, Committed, FleetMachine, Ledger, LocalGroup, ProposeError, Standing, View};

/// When tests begin: a plausible wall clock.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Replicas 1 and 2 over one fleet.
pub(crate) struct TestGroup {
    pub(crate) time: Arc<FakeClock>,
    pub(crate) clock: Clock,
    pub(crate) group: LocalGroup,
    views: watch::Receiver<View>,
}

impl TestGroup {
    pub(crate) fn new() -> Self {
        Self::on(FakeClock::new(START_MS))
    }

    pub(crate) fn on(time: Arc<FakeClock>) -> Self {
        let clock = Clock::fake(Arc::clone(&time));
        let (machine, views) = FleetMachine::new();
        let group = LocalGroup::new(Box::new(machine), 2, clock.clone());
        Self { time, clock, group, views }
    }

    /// The ledger of one replica.
    pub(crate) fn ledger(&self, id: u64) -> Ledger {
        Ledger::new(self.group.replica(ReplicaId(id)), self.views.clone(), self.clock.clone())
    }

    /// The ledger of a replica that leads, in a session that it has just opened.
    pub(crate) fn leading(&self, id: u64) -> (Ledger, u64) {
        self.group.elect(Some(ReplicaId(id)));
        let ledger = self.ledger(id);
        let open = OpenSession {
            replica: format!("r{id}"),
            wall_clock_ms: self.clock.wall_ms(),
            ..OpenSession::default()
        };
        let opened = propose(&ledger, Kind::OpenSession(open), &Author::caller("replica")).unwrap();
        let session = opened.accepted.session;
        ledger.session_clock().open(opened.accepted.log_time_ms);
        ledger.set_standing(Standing::Leading { session });
        (ledger, session)
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.time.advance(Duration::from_secs(seconds)).await;
    }
}

/// Proposes on a local group, which answers at once unless it was told not to.
pub(crate) fn propose(
    ledger: &Ledger,
    kind: Kind,
    author: &Author,
) -> Result<Committed, ProposeError> {
    let deadline = ledger.clock().now() + Duration::from_secs(10);
    ledger.propose(kind, author, deadline).now_or_never().expect("it hangs")
}
