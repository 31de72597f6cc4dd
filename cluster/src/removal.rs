use std::sync::Arc;

use openraft::{ServerState, async_runtime::watch::WatchReceiver as _};

use crate::{
    context::{Context, Running, StopReason, index_of},
    replica_id::ReplicaId,
    transport::say_hello,
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
        && agreed.nodes().next().is_some()
        && agreed.get_node(&running.identity.replica_id).is_none()
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
