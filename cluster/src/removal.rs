use std::sync::Arc;

use openraft::{ServerState, async_runtime::watch::WatchReceiver as _};

use crate::{
    context::{Context, Running, StopReason, index_of},
    membership::FIRST_ADDED_ID,
    replica_id::ReplicaId,
    transport::say_hello,
    types::StoredMembership,
};

/// Stops this replica once the group no longer names it.
///
/// A group stops talking to a replica when it removes it, often before that replica has the entry that says so.
/// So a replica that hears no leader asks the others, and believes one that knows a newer agreed membership.
pub(crate) async fn watch_removal(context: Arc<Context>) {
    let Some(running) = context.running() else {
        return;
    };
    let silence = context.lease() * 2;
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = context.clock.sleep(silence) => {}
        }
        let leads = running.raft.server_metrics().borrow_watched().state == ServerState::Leader;
        if leads {
            continue;
        }
        let silent = context.leader_contact().is_none_or(|contact| contact > silence);
        if removed_by_own_log(running) || (silent && removed_by_others(&context, running).await) {
            return context.stop_with(StopReason::Removed {
                id: ReplicaId(running.identity.replica_id),
                data_dir: context.config.data_dir.display().to_string(),
            });
        }
    }
}

fn removed_by_own_log(running: &Running) -> bool {
    let metrics = running.raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let agreed = &metrics.committed_membership_config;
    let newest = &metrics.membership_config;
    agreed == newest
        && tells_of(agreed, running.identity.replica_id)
        && agreed.get_node(&running.identity.replica_id).is_none()
}

/// Whether `membership` came after replica `id` was admitted. One that was added bears the index of the membership that it was
/// added to, so an older one, as a snapshot may hold, does not name it and says nothing of it.
fn tells_of(membership: &StoredMembership, id: u64) -> bool {
    let added_to = id.checked_sub(FIRST_ADDED_ID);
    membership.log_id().is_some_and(|log_id| added_to.is_none_or(|before| log_id.index > before))
}

async fn removed_by_others(context: &Context, running: &Running) -> bool {
    let Some(known) = context.membership() else {
        return false;
    };
    // Before its first entry a replica cannot tell an older membership from a newer one.
    if known.get_node(&running.identity.replica_id).is_none() {
        return false;
    }
    let known_index = index_of(&known);
    for info in context.others().into_values() {
        if let Ok(hello) = say_hello(context, &info.address).await {
            let cluster_id = hello.identity.unwrap_or_default().cluster_id;
            if hello.formed
                && cluster_id == running.identity.cluster_id
                && hello.membership_index > known_index
                && hello.asker_replica_id == 0
            {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderId as _;

    use super::*;
    use crate::types::{LeaderId, LogId, Membership};

    /// Without it a replica that was added again would stop at the first snapshot from before its admission, or one that was
    /// removed would never stop.
    #[test]
    fn a_membership_tells_of_replicas_that_were_there_before() {
        let at = |index: Option<u64>| {
            let log_id = index.map(|index| LogId::new(LeaderId::new(1, 1), index));
            StoredMembership::new(log_id, Membership::default())
        };
        let table = [
            (Some(0), 1, true),
            (Some(40), FIRST_ADDED_ID + 40, false),
            (Some(39), FIRST_ADDED_ID + 40, false),
            (Some(41), FIRST_ADDED_ID + 40, true),
            (None, 1, false),
        ];
        for (index, id, tells) in table {
            assert_eq!(tells_of(&at(index), id), tells, "membership {index:?}, replica {id}");
        }
    }
}
