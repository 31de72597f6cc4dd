use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use navarch_cluster::{RelayHandler, ReplicaId};
use navarch_proto::{
    frame,
    peer::{Effect, RelayedAnswer, RelayedCall},
};
use prost::Message as _;
use tonic::{Code, Status};

use super::{
    call::{Api, Call, CallContext, Consistency, Principal},
    deliveries,
    errors::take_effect,
    handler::{Handled, Handler},
    routes::{self, Place},
};
use crate::ledger::Standing;

/// The leader's end of relayed calls: they arrive on the peer port, admitted by the replica that relays
/// them, and meet the same handlers as a call from outside.
#[derive(Default)]
pub struct RelayedCalls {
    /// Set once the API exists, which needs the replica that this is a part of.
    ready: OnceLock<Arc<Api>>,
}

impl RelayedCalls {
    /// Opens for calls; before that they are refused as not carried out.
    pub fn connect(&self, api: Arc<Api>) {
        // A second call would mean a second composition root; the first stays.
        let _ = self.ready.set(api);
    }

    async fn carry_out(&self, call: RelayedCall, timeout: Duration) -> RelayedAnswer {
        let Some(api) = self.ready.get() else {
            return not_carried_out("this replica is starting");
        };
        if call.path == deliveries::PATH {
            return mark_delivered(api, call.frame, timeout).await;
        }
        let route = routes::find(&call.path).filter(|route| route.place != Place::Here);
        let principal = Principal::from_name(&call.principal);
        let (Some(route), Some(principal)) = (route, principal) else {
            return not_relayed(&call);
        };
        let Handler::Unary(handler) = route.handler else {
            return not_relayed(&call);
        };
        if !route.admits(principal) {
            return not_relayed(&call);
        }
        let deadline = api.clock().now() + timeout;
        if !leads(api, timeout).await {
            return not_carried_out("this replica does not lead");
        }
        let context = CallContext {
            principal,
            request_id: call.request_id.into(),
            deadline,
            consistency: Consistency::Linearizable,
            may_be_retry: call.may_be_retry,
        };
        match handler(Call { api: Arc::clone(api), context }, call.frame).await {
            Ok(Handled { frame, index }) => {
                RelayedAnswer { frame, applied_index: index, ..RelayedAnswer::default() }
            }
            Err(status) => failed(status),
        }
    }
}

#[async_trait]
impl RelayHandler for RelayedCalls {
    async fn relayed(&self, _from: ReplicaId, body: Bytes, timeout: Duration) -> Bytes {
        let answer = match RelayedCall::decode(body) {
            Ok(call) => self.carry_out(call, timeout).await,
            Err(error) => failed(Status::internal(format!("a relayed call: {error}"))),
        };
        Bytes::from(answer.encode_to_vec())
    }
}

/// Notes what another replica handed to an agent.
async fn mark_delivered(api: &Api, frame: Bytes, timeout: Duration) -> RelayedAnswer {
    let mark = match frame::decode(frame) {
        Ok(mark) => mark,
        Err(problem) => return failed(Status::internal(format!("a delivery: {problem}"))),
    };
    match deliveries::propose(api, mark, timeout).await {
        Ok(()) => RelayedAnswer::default(),
        Err(status) => failed(status),
    }
}

/// Whether this replica leads, after waiting for a session that is just opening.
async fn leads(api: &Api, timeout: Duration) -> bool {
    let mut standings = api.ledger.standings();
    let leadership = api.replica().leadership();
    // Raft knows of a new leader a little before its session does.
    let opening = |standing: &Standing| match standing {
        Standing::Leading { .. } => false,
        Standing::Opening => true,
        Standing::Following => leadership.borrow().is_elected(),
    };
    let settled = standings.wait_for(|standing| !opening(standing));
    let settled = api.clock().timeout(timeout, settled).await;
    matches!(settled, Ok(Ok(standing)) if standing.session().is_some())
}

fn not_relayed(call: &RelayedCall) -> RelayedAnswer {
    let RelayedCall { path, principal, .. } = call;
    failed(Status::internal(format!("{path} from {principal:?} is not relayed")))
}

fn not_carried_out(reason: &str) -> RelayedAnswer {
    RelayedAnswer {
        code: Code::Unavailable.into(),
        message: reason.to_owned(),
        effect: Effect::None.into(),
        ..RelayedAnswer::default()
    }
}

fn failed(mut status: Status) -> RelayedAnswer {
    RelayedAnswer {
        effect: take_effect(&mut status).into(),
        code: status.code().into(),
        message: status.message().to_owned(),
        details: Bytes::copy_from_slice(status.details()),
        ..RelayedAnswer::default()
    }
}
