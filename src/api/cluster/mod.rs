//! `navarch.ReplicaService`: the Raft group behind the control plane.

mod add_replica;
mod list_replicas;
mod promote_replica;
mod remove_replica;
mod save_snapshot;
mod transfer_leader;

pub(super) use self::{
    add_replica::add_replica, list_replicas::list_replicas, promote_replica::promote_replica,
    remove_replica::remove_replica, save_snapshot::save_snapshot, transfer_leader::transfer_leader,
};
