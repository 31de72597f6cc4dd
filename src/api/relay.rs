use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use navarch_cluster::{RelayHandler, ReplicaId};
use navarch_proto::peer::{Effect, RelayedAnswer, RelayedCall};
use prost::Message as _;
use tonic::{Code, Status, service::Routes};
use tower::ServiceExt as _;

use super::{
    call::{APPLIED_INDEX, Api, CallContext, Consistency, Principal},
    errors::{EFFECT, EFFECT_UNKNOWN},
    frame,
    routes::{self, Place},
};
use crate::ledger::Standing;

/// The leader's end of relayed calls: they arrive on the peer port, admitted by the replica that relays
/// them, and meet the same handlers as a call from outside.
#[derive(Default)]
pub struct RelayedCalls {
    /// Set once the handlers exist, which need the replica that this is a part of.
    ready: OnceLock<(Arc<Api>, Routes)>,
}

impl RelayedCalls {
    /// Opens for calls; before that they are refused as not carried out.
    pub fn connect(&self, api: Arc<Api>, handlers: Routes) {
        // A second call would mean a second composition root; the first stays.
        let _ = self.ready.set((api, handlers));
    }

    async fn carry_out(&self, call: RelayedCall, timeout: Duration) -> RelayedAnswer {
        let Some((api, handlers)) = self.ready.get() else {
            return not_carried_out("this replica is starting");
        };
        let route = routes::find(&call.path).filter(|route| route.place != Place::Here);
        let principal = Principal::from_name(&call.principal)
            .filter(|&principal| route.is_some_and(|route| route.admits(principal)));
        let Some(principal) = principal else {
            return failed(&Status::internal(format!(
                "{} from {:?} is not relayed",
                call.path, call.principal
            )));
        };
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
        let request = match frame::request(&call.path, call.frame, context) {
            Ok(request) => request,
            Err(status) => return failed(&status),
        };
        let Ok(response) = handlers.clone().oneshot(request).await;
        match frame::read_response(response).await {
            Ok(answer) => pack(answer),
            Err(status) => failed(&status),
        }
    }
}

#[async_trait]
impl RelayHandler for RelayedCalls {
    async fn relayed(&self, _from: ReplicaId, body: Bytes, timeout: Duration) -> Bytes {
        let answer = match RelayedCall::decode(body) {
            Ok(call) => self.carry_out(call, timeout).await,
            Err(error) => failed(&Status::internal(format!("a relayed call: {error}"))),
        };
        Bytes::from(answer.encode_to_vec())
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
        Standing::Following => leadership.borrow().local,
    };
    let settled = standings.wait_for(|standing| !opening(standing));
    let settled = api.clock().timeout(timeout, settled).await;
    matches!(settled, Ok(Ok(standing)) if standing.session().is_some())
}

fn pack(answer: frame::Buffered) -> RelayedAnswer {
    let effect = match answer.headers.get(EFFECT) {
        None => Effect::Unspecified,
        Some(effect) if effect == EFFECT_UNKNOWN => Effect::Unknown,
        Some(_) => Effect::None,
    };
    RelayedAnswer {
        frame: answer.frame,
        code: answer.status.code().into(),
        message: answer.status.message().to_owned(),
        details: Bytes::copy_from_slice(answer.status.details()),
        applied_index: applied_index(&answer.headers),
        effect: effect.into(),
    }
}

fn applied_index(headers: &HeaderMap) -> u64 {
    let value = headers.get(APPLIED_INDEX).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn not_carried_out(reason: &str) -> RelayedAnswer {
    RelayedAnswer {
        code: Code::Unavailable.into(),
        message: reason.to_owned(),
        effect: Effect::None.into(),
        ..RelayedAnswer::default()
    }
}

fn failed(status: &Status) -> RelayedAnswer {
    RelayedAnswer {
        code: status.code().into(),
        message: status.message().to_owned(),
        ..RelayedAnswer::default()
    }
}
