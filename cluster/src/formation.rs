//! How replicas without a group come to belong to one, safe to repeat and to interrupt anywhere.
//!
//! | file | holds |
//! |---|---|
//! | this one | the loop: ask the configured replicas, decide, act |
//! | `decision` | what to do, from what they answered |
//! | `plan` | what the forming replica has decided, on disk before anyone is told |
//!
//! One replica forms the group: the one with `bootstrap`, else the one whose name comes first. It waits until
//! all initial replicas have answered with their store ids, writes the plan, claims its own identity, invites
//! the others, and initialises its log with a membership that names every store. A kill at any step leaves
//! either nothing told to anyone, or a plan that the restarted replica goes on with. All others join the group
//! whose membership names their store, by invitation or by asking, and never another.

mod decision;
mod plan;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use navarch_host::Moment;
use navarch_proto::peer;
use tokio::sync::mpsc;

pub(crate) use decision::{Answer, Decision, Own, decide};
pub(crate) use plan::{Plan, PlanFile};

use crate::{
    context::{Context, GroupIdentity},
    replica_error::StartError,
    transport::{JoinDecision, Lane, say_hello},
    types::ReplicaInfo,
};

/// Between two rounds of questions.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How an unformed replica came to a group.
pub(crate) enum Outcome {
    /// It forms the group by this plan, which is on disk.
    Formed(Plan),
    /// It was named by a group's membership.
    Joined(GroupIdentity),
    /// It was invited; the invitation waits for the answer.
    Invited(JoinDecision),
    /// The replica stopped first.
    Stopped,
}

/// Asks and waits until this replica belongs to a group. A replica with `bootstrap` gives up instead when the
/// group must not be formed.
pub(crate) async fn find_group(
    context: &Context,
    plans: &PlanFile,
    invitations: &mut mpsc::Receiver<JoinDecision>,
) -> Result<Outcome, StartError> {
    let deadline = context.clock.now() + context.config.timings.bootstrap_wait;
    let mut said = String::new();
    loop {
        let answers = ask_all(context).await;
        match decide(&own(context), &answers) {
            Decision::Form(infos) => {
                let plan = Plan::new(context.store_id.clone(), infos);
                plans.write(&plan)?;
                return Ok(Outcome::Formed(plan));
            }
            Decision::Join(identity) => return Ok(Outcome::Joined(identity)),
            Decision::Refuse(reason) if context.config.bootstrap => {
                return Err(StartError::Bootstrap(reason));
            }
            Decision::Wait(reason) if gives_up(context, deadline) => {
                return Err(StartError::Bootstrap(reason));
            }
            Decision::Refuse(reason) | Decision::Wait(reason) => {
                if said != reason {
                    tracing::info!(replica = %context.config.name, "no group yet: {reason}");
                    said = reason;
                }
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(Outcome::Stopped),
            Some(invitation) = invitations.recv() => return Ok(Outcome::Invited(invitation)),
            () = context.clock.sleep(ASK_AGAIN) => {}
        }
    }
}

fn gives_up(context: &Context, deadline: Moment) -> bool {
    context.config.bootstrap && context.clock.now() >= deadline
}

fn own(context: &Context) -> Own<'_> {
    Own {
        name: &context.config.name,
        address: &context.config.advertised,
        public_address: &context.config.public_address,
        store_id: &context.store_id,
        bootstrap: context.config.bootstrap,
        initial_replicas: &context.config.initial_replicas,
    }
}

async fn ask_all(context: &Context) -> Vec<Answer> {
    let others = context.config.initial_replicas.iter();
    let others = others.filter(|replica| replica.name != context.config.name);
    let asked = others.map(|replica| async {
        Answer { replica: replica.clone(), answer: say_hello(context, &replica.address).await }
    });
    join_all(asked).await
}

/// Invites the other replicas of `plan`, each once: one that does not hear it asks later by itself.
pub(crate) async fn invite_all(context: &Arc<Context>, plan: &Plan) {
    let invited = plan.others().map(|(id, info)| {
        let identity = GroupIdentity { cluster_id: plan.cluster_id.clone(), replica_id: id };
        async move {
            if let Err(reason) = invite(context, &identity, &info).await {
                tracing::info!(replica = id, address = %info.address, %reason, "not invited yet");
            }
        }
    });
    join_all(invited).await;
}

/// Tells the replica at `info` that it belongs to the group as `identity`; safe to repeat.
pub(crate) async fn invite(
    context: &Context,
    identity: &GroupIdentity,
    info: &ReplicaInfo,
) -> Result<(), String> {
    let request = peer::JoinRequest {
        cluster_id: identity.cluster_id.clone(),
        replica_id: identity.replica_id,
        store_id: info.store_id.clone(),
    };
    let invited = async {
        let mut client = context.channels.client(&info.address, Lane::Control)?;
        client.join(request).await
    };
    match context.clock.timeout(context.config.timings.peer_call, invited).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
