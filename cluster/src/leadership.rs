use std::{sync::Arc, time::Duration};

use openraft::{ServerState, async_runtime::watch::WatchReceiver as _};

use crate::{
    context::{Context, Running, StopReason},
    replica_id::ReplicaId,
};

/// Who leads, as this replica knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term; two leaders can bear one term in turn, so it is no fence by itself.
    pub term: u64,
    /// The leader, while one is known.
    pub leader: Option<ReplicaId>,
    /// This replica leads, and a quorum has confirmed it within the lease.
    pub local: bool,
}

/// Keeps [`Context::leadership`] up to date until the replica stops, and notices a Raft that has died.
///
/// Raft tells of a change only when a vote changes: a leader that is cut off is not told. So while this
/// replica leads, the age of the last quorum's acknowledgement is looked at several times a lease.
pub(crate) async fn watch_leadership(context: Arc<Context>) {
    let Some(running) = context.running() else {
        return;
    };
    let mut server = running.raft.server_metrics();
    let mut all = running.raft.metrics();
    let mut handing_over = context.handing_over.subscribe();
    loop {
        if let Err(fatal) = all.borrow_watched().running_state.clone() {
            return context.stop_with(StopReason::Failed(fatal.to_string()));
        }
        let now = current(&context, running);
        context.leadership.send_if_modified(|seen| {
            let changed = *seen != now;
            *seen = now;
            changed
        });
        let leads = server.borrow_watched().state == ServerState::Leader;
        tokio::select! {
            () = context.stop.cancelled() => return,
            changed = server.changed() => if changed.is_err() {
                let fatal = all.borrow_watched().running_state.clone();
                let reason = fatal.err().map_or_else(String::new, |fatal| fatal.to_string());
                return context.stop_with(StopReason::Failed(reason));
            },
            _ = handing_over.changed() => {}
            // A new leader serves from its first acknowledgement on, not from the next look at the clock.
            _ = all.changed(), if leads && !now.local => {}
            () = context.clock.sleep(check_interval(&context)) => {}
        }
    }
}

fn check_interval(context: &Context) -> Duration {
    context.config.timings.election_max / 6
}

fn current(context: &Context, running: &Running) -> Leadership {
    let metrics = running.raft.server_metrics();
    let metrics = metrics.borrow_watched().clone();
    let own_id = running.identity.replica_id;
    let leads = metrics.state == ServerState::Leader && metrics.current_leader == Some(own_id);
    let local = leads
        && !*context.handing_over.borrow()
        && quorum_acknowledged_within(running, context.config.timings.election_max);
    let leader = metrics.current_leader.filter(|&id| id != own_id || local);
    Leadership {
        term: metrics.vote.leader_id.term,
        leader: leader.map(ReplicaId),
        local,
    }
}

/// Whether this replica leads and a quorum answered a message that it sent within `age`.
pub(crate) fn quorum_acknowledged_within(running: &Running, age: Duration) -> bool {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched();
    if metrics.state != ServerState::Leader {
        return false;
    }
    let own_id = running.identity.replica_id;
    let mut voters = metrics.membership_config.voter_ids();
    if voters.next() == Some(own_id) && voters.next().is_none() {
        return true;
    }
    metrics
        .last_quorum_acked
        .is_some_and(|acknowledged| acknowledged.elapsed() <= age)
}
