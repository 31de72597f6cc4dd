use clap::{Args, Subcommand};
use navarch_proto::api;
use serde_json::{Value, json};

use super::{
    failure::{Failure, FailureKind},
    invocation::Invocation,
    output::{Record as _, message_value},
};
use crate::client::{
    CallOptions,
    rpc::{AddReplica, ListReplicas, PromoteReplica, RemoveReplica, TransferLeader},
};

/// `navarch replica ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ReplicaCommand {
    /// List the replicas of the group
    List,
    /// Admit a waiting replica
    Add(AddArguments),
    /// Remove a replica for good
    Remove {
        /// The replica, by id or name
        replica: String,
    },
    /// Make a learner a voter
    Promote {
        /// The replica, by id or name
        replica: String,
    },
    /// Hand leadership over
    TransferLeader {
        /// To which replica, by id or name [default: the most up-to-date voter]
        #[arg(long)]
        to: Option<String>,
    },
}

/// `navarch replica add NAME ADDRESS`
#[derive(Clone, Debug, Args)]
pub(crate) struct AddArguments {
    /// Its name, as its configuration says
    name: String,
    /// Its peer address, host:port
    address: String,
    /// Make it a voter once it has caught up
    #[arg(long)]
    voter: bool,
}

impl ReplicaCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = list(invocation).await?;
                invocation.printer.list(&answer.replicas, "no replicas")
            }
            Self::Add(arguments) => add(arguments, invocation).await,
            Self::Remove { replica } => remove(&replica, invocation).await,
            Self::Promote { replica } => promote(&replica, invocation).await,
            Self::TransferLeader { to } => transfer(to.as_deref(), invocation).await,
        }
    }
}

/// What the group says of its replicas; the leader is asked first, for it knows most.
pub(crate) async fn list(invocation: &Invocation) -> Result<api::ListReplicasResponse, Failure> {
    let options = CallOptions { prefer_leader: true, ..invocation.call_options() };
    let answer = invocation
        .client()?
        .call::<ListReplicas>(api::ListReplicasRequest {}, &options)
        .await
        .map_err(|error| Failure::from_call("list the replicas", &error))?;
    Ok(answer.message)
}

async fn add(arguments: AddArguments, invocation: &mut Invocation) -> Result<(), Failure> {
    let what = format!("add replica {} at {}", arguments.name, arguments.address);
    let request = api::AddReplicaRequest {
        name: arguments.name,
        address: arguments.address,
        voter: arguments.voter,
    };
    let answer = invocation.call::<AddReplica>(&what, request).await?;
    changed(invocation, answer.replica, &what)
}

async fn promote(replica: &str, invocation: &mut Invocation) -> Result<(), Failure> {
    let id = find(replica, invocation).await?;
    let what = format!("promote replica {replica}");
    let request = api::PromoteReplicaRequest { id };
    let answer = invocation.call::<PromoteReplica>(&what, request).await?;
    changed(invocation, answer.replica, &what)
}

async fn remove(replica: &str, invocation: &mut Invocation) -> Result<(), Failure> {
    let id = find(replica, invocation).await?;
    let what = format!("remove replica {replica}");
    let request = api::RemoveReplicaRequest { id };
    invocation.call::<RemoveReplica>(&what, request).await?;
    let text = format!("replica {replica} (id {id}) is removed");
    invocation.printer.result(&text, replica, &json!({ "id": id }))
}

async fn transfer(to: Option<&str>, invocation: &mut Invocation) -> Result<(), Failure> {
    let to = match to {
        Some(replica) => find(replica, invocation).await?,
        None => successor(&list(invocation).await?),
    };
    let request = api::TransferLeaderRequest { to };
    let answer = invocation.call::<TransferLeader>("hand leadership over", request).await?;
    let id = answer.leader_id;
    let text = format!("replica {id} leads");
    let value = json!({ "leader_id": id });
    invocation.printer.result(&text, &id.to_string(), &value)
}

/// The most up-to-date voter beside the leader; 0 leaves the choice to the leader. A call that names a replica may
/// be repeated after an answer was lost: leadership then moves once.
fn successor(known: &api::ListReplicasResponse) -> u64 {
    const HEARD_MS: u64 = 1_000;
    if known.answered_by != known.leader_id {
        return 0;
    }
    let heard = |one: &&api::ReplicaInfo| one.last_contact_ms.is_some_and(|ms| ms < HEARD_MS);
    let others = known.replicas.iter().filter(|one| one.voter && one.id != known.leader_id);
    others.filter(heard).min_by_key(|one| (one.lag, one.id)).map_or(0, |one| one.id)
}

fn changed(
    invocation: &mut Invocation,
    replica: Option<api::ReplicaInfo>,
    what: &str,
) -> Result<(), Failure> {
    let Some(replica) = replica else {
        return Err(Failure::refused(format!("cannot {what}: the answer holds no replica")));
    };
    let value: Value = message_value(api::ReplicaInfo::MESSAGE, &replica)?;
    let text = format!("replica {} (id {}) is a {}", replica.name, replica.id, standing(&replica));
    invocation.printer.result(&text, &replica.name, &value)
}

fn standing(replica: &api::ReplicaInfo) -> &'static str {
    if replica.voter { "voter" } else { "learner" }
}

/// The id of a replica that is named by id or name.
async fn find(replica: &str, invocation: &Invocation) -> Result<u64, Failure> {
    let known = list(invocation).await?.replicas;
    let id: Option<u64> = replica.parse().ok();
    let named = known.iter().find(|known| known.name == replica);
    if let Some(found) = named.or_else(|| known.iter().find(|known| Some(known.id) == id)) {
        return Ok(found.id);
    }
    let names: Vec<_> =
        known.iter().map(|known| format!("{} ({})", known.name, known.id)).collect();
    let message =
        format!("no replica has the name or id {replica}: there are {}", names.join(", "));
    Err(Failure::new(FailureKind::NotFound, message).help("`navarch replica list` shows them"))
}
