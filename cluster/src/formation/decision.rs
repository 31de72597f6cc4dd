use std::collections::BTreeSet;

use navarch_proto::peer;

use crate::{config::InitialReplica, context::GroupIdentity, types::ReplicaInfo};

/// This replica, as its configuration and its store have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) public_address: &'a str,
    pub(crate) store_id: &'a str,
    pub(crate) bootstrap: bool,
    /// All initial replicas, this one among them; empty: it waits to be added.
    pub(crate) initial_replicas: &'a [InitialReplica],
}

/// What a configured replica answered, or why it did not.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) replica: InitialReplica,
    pub(crate) answer: Result<peer::HelloResponse, String>,
}

/// What a replica that belongs to no group does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Form the group of these replicas, in the order of their ids.
    Form(Vec<ReplicaInfo>),
    /// A group's membership names this store: belong to it.
    Join(GroupIdentity),
    /// Ask again; why.
    Wait(String),
    /// Only an operator can help; why, and what to do.
    Refuse(String),
}

/// Decides from all answers. It forms a group only if every configured replica has answered, belongs to none,
/// and agrees on who forms it.
pub(crate) fn decide(own: &Own<'_>, answers: &[Answer]) -> Decision {
    let heard: Vec<_> = answers
        .iter()
        .filter_map(|answer| Some((&answer.replica, answer.answer.as_ref().ok()?)))
        .collect();
    for (_, hello) in heard.iter().filter(|(_, hello)| hello.formed) {
        if hello.asker_replica_id != 0 {
            return Decision::Join(GroupIdentity {
                cluster_id: cluster_of(hello).to_owned(),
                replica_id: hello.asker_replica_id,
            });
        }
    }
    if let Some((replica, hello)) = heard.iter().find(|(_, hello)| hello.formed) {
        return formed_without_us(own, replica, hello);
    }
    if own.initial_replicas.is_empty() {
        return Decision::Wait(waiting(own));
    }
    if let Err(decision) = check_former(own, &heard) {
        return decision;
    }
    if let Some(silent) = answers.iter().find(|answer| answer.answer.is_err()) {
        let reason = silent.answer.as_ref().err().map_or("", String::as_str);
        return Decision::Wait(format!(
            "replica {:?} does not answer at {}: {reason}",
            silent.replica.name, silent.replica.address
        ));
    }
    match check_members(own, &heard) {
        Ok(()) => Decision::Form(members(own, &heard)),
        Err(reason) => Decision::Refuse(reason),
    }
}

fn waiting(own: &Own<'_>) -> String {
    format!("waiting to be added: navarch replica add {} {}", own.name, own.address)
}

fn cluster_of(hello: &peer::HelloResponse) -> &str {
    let identity = hello.identity.as_ref();
    identity.map_or("", |identity| identity.cluster_id.as_str())
}

fn store_of(hello: &peer::HelloResponse) -> &str {
    let identity = hello.identity.as_ref();
    identity.map_or("", |identity| identity.store_id.as_str())
}

fn formed_without_us(
    own: &Own<'_>,
    replica: &InitialReplica,
    hello: &peer::HelloResponse,
) -> Decision {
    let belongs = format!(
        "replica {:?} at {} already belongs to cluster {}",
        replica.name,
        replica.address,
        cluster_of(hello)
    );
    match hello.asker_name_taken_by {
        0 if own.bootstrap => Decision::Refuse(format!(
            "{belongs}; start this replica without bootstrap, and add it: navarch replica add {} {}",
            own.name, own.address
        )),
        0 => Decision::Wait(format!("{belongs}; {}", waiting(own))),
        id => Decision::Refuse(format!(
            "{belongs}, where the name {:?} is replica {id} with another store; if its data is lost: navarch replica remove {id}, then navarch replica add {} {}",
            own.name, own.name, own.address
        )),
    }
}

/// Whether this replica is the one that forms the group; else what to do.
fn check_former(
    own: &Own<'_>,
    heard: &[(&InitialReplica, &peer::HelloResponse)],
) -> Result<(), Decision> {
    let bootstrapper = heard.iter().find(|(_, hello)| hello.bootstrap);
    match (own.bootstrap, bootstrapper) {
        (true, Some((replica, _))) => Err(Decision::Refuse(format!(
            "replica {:?} at {} has bootstrap set too; set it on one replica only",
            replica.name, replica.address
        ))),
        (true, None) => Ok(()),
        (false, Some((replica, _))) => Err(Decision::Wait(format!(
            "waiting for {:?}, which has bootstrap set, to form the group",
            replica.name
        ))),
        (false, None) => {
            let first = own.initial_replicas.iter().map(|replica| &*replica.name).min();
            match first {
                Some(first) if first != own.name => Err(Decision::Wait(format!(
                    "waiting for {first:?}, the first by name, to form the group"
                ))),
                _ => Ok(()),
            }
        }
    }
}

fn check_members(
    own: &Own<'_>,
    heard: &[(&InitialReplica, &peer::HelloResponse)],
) -> Result<(), String> {
    let names: BTreeSet<&str> = own.initial_replicas.iter().map(|replica| &*replica.name).collect();
    let mut stores = BTreeSet::from([own.store_id]);
    for (replica, hello) in heard {
        if hello.name != replica.name {
            return Err(format!(
                "the replica at {} calls itself {:?}, the configuration calls it {:?}; correct one of them",
                replica.address, hello.name, replica.name
            ));
        }
        if !stores.insert(store_of(hello)) {
            return Err(format!(
                "replica {:?} at {} answers with the store of another replica; correct the addresses",
                replica.name, replica.address
            ));
        }
        let theirs: BTreeSet<&str> = hello.initial_replicas.iter().map(String::as_str).collect();
        if !theirs.is_empty() && theirs != names {
            return Err(format!(
                "replica {:?} was told to form a group of {theirs:?}, this one of {names:?}; give all replicas the same list",
                replica.name
            ));
        }
    }
    Ok(())
}

/// The initial replicas in the order of their names.
fn members(own: &Own<'_>, heard: &[(&InitialReplica, &peer::HelloResponse)]) -> Vec<ReplicaInfo> {
    let mut infos = vec![ReplicaInfo {
        name: own.name.to_owned(),
        address: own.address.to_owned(),
        public_address: own.public_address.to_owned(),
        store_id: own.store_id.to_owned(),
    }];
    infos.extend(heard.iter().map(|(replica, hello)| ReplicaInfo {
        name: replica.name.clone(),
        address: replica.address.clone(),
        public_address: hello.public_address.clone(),
        store_id: store_of(hello).to_owned(),
    }));
    infos.sort_by(|left, right| left.name.cmp(&right.name));
    infos
}

#[cfg(test)]
#[path = "decision_test.rs"]
mod tests;
