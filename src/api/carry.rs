//! The way to the leader: here if this replica leads, else one hop over the peer port. Retries happen under
//! one request id inside the caller's deadline, so that a call takes effect once.

use std::time::Duration;

use bytes::Bytes;
use navarch_cluster::{Leadership, RelayError};
use navarch_host::Moment;
use navarch_proto::peer::{Effect, RelayedAnswer, RelayedCall};
use prost::Message as _;
use rand::RngExt as _;
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{
    call::{Api, CallContext},
    errors::{EFFECT_NONE, EFFECT_UNKNOWN, take_effect},
    forward::{Framed, Inner},
    handler::Handled,
};
use crate::ledger::Standing;

/// Attempts of one call that reach a leader, at most.
const TRIES: u32 = 4;
/// Pause after the first failed attempt; doubles, and each is jittered between half and all of it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// With no leader in sight the caller is told this long before it stops waiting at the latest, or a tenth of its time.
const LAST_WORD: Duration = Duration::from_millis(100);

/// What came of one attempt.
enum Attempt {
    Answered(Result<Handled, Status>),
    /// Nobody leads where a leader was believed to be: waiting for another one burdens nobody.
    NobodyThere(String),
    /// Certainly not carried out.
    NotCarriedOut(String),
    /// May have been carried out.
    Unknown(String),
}

/// Where the leader is.
enum Leader {
    Here,
    Elsewhere,
}

/// What tells of another leader. Whatever came since it was last looked at ends a wait, so that a leader who appears while an
/// attempt with the one before fails is not waited for.
struct Signs {
    leadership: watch::Receiver<Leadership>,
    standings: watch::Receiver<Standing>,
}

impl Signs {
    fn of(api: &Api) -> Self {
        Self { leadership: api.replica().leadership(), standings: api.ledger.standings() }
    }

    /// Whether there is news; none comes once the replica is stopping.
    fn take_news(&mut self) -> bool {
        let news = self.standings.has_changed().unwrap_or(false)
            || self.leadership.has_changed().unwrap_or(false);
        self.standings.mark_unchanged();
        self.leadership.mark_unchanged();
        news
    }

    /// Waits for news; never ends once the replica is stopping.
    async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.standings.changed() => changed,
            changed = self.leadership.changed() => changed,
        };
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Has the leader carry a call out, and brings its answer.
pub(super) async fn carry(way: &Inner, mut call: Framed) -> Result<Handled, Status> {
    let mut may_have_taken_effect = false;
    let mut last = String::new();
    let (mut tries, mut pauses) = (0, 0);
    let mut signs = Signs::of(&way.api);
    while tries < TRIES {
        let found = find_leader(&way.api, &mut signs, call.context.deadline).await;
        let Some(leader) = found else {
            last = "no leader is known".to_owned();
            break;
        };
        let attempted = match leader {
            Leader::Here => call_here(way, call.clone()).await,
            Leader::Elsewhere => relay(&way.api, &call).await,
        };
        match attempted {
            Attempt::Answered(answer) => return answer,
            Attempt::NobodyThere(reason) => last = reason,
            Attempt::NotCarriedOut(reason) => {
                tries += 1;
                last = reason;
            }
            Attempt::Unknown(reason) => {
                tries += 1;
                may_have_taken_effect = true;
                call.context.may_be_retry = true;
                last = reason;
            }
        }
        pauses += 1;
        let deadline = call.context.deadline;
        if tries < TRIES && !pause(&way.api, &mut signs, pauses, deadline).await {
            break;
        }
    }
    Err(give_up(way, &call.context, may_have_taken_effect, &last))
}

/// Waits for a leader, not longer than the caller does; not at all where this replica led and no quorum hears it any more:
/// another one knows sooner.
async fn find_leader(api: &Api, signs: &mut Signs, deadline: Moment) -> Option<Leader> {
    let found = async {
        loop {
            match *signs.standings.borrow_and_update() {
                Standing::Leading { .. } => return Some(Leader::Here),
                Standing::Following => {
                    let leadership = signs.leadership.borrow_and_update();
                    if leadership.cut_off {
                        return None;
                    }
                    if leadership.leader.is_some() && !leadership.local {
                        return Some(Leader::Elsewhere);
                    }
                }
                Standing::Opening => {}
            }
            signs.changed().await;
        }
    };
    let now = api.clock().now();
    let margin = (deadline.since(now) / 10).min(LAST_WORD);
    let limit = (deadline - margin).min(now + api.replica().patience());
    api.clock().timeout_at(limit, found).await.ok().flatten()
}

async fn call_here(way: &Inner, call: Framed) -> Attempt {
    let mut answer = way.handle(call).await;
    match answer.as_mut().map_err(take_effect) {
        Ok(_) | Err(Effect::Unspecified) => Attempt::Answered(answer),
        Err(effect) => {
            let message = answer.err().map_or_else(String::new, |status| status.message().into());
            failed(effect, message)
        }
    }
}

async fn relay(api: &Api, call: &Framed) -> Attempt {
    let Framed { uri, frame, context, .. } = call;
    let call = RelayedCall {
        path: uri.path().to_owned(),
        principal: context.principal.name().to_owned(),
        request_id: context.request_id.to_string(),
        may_be_retry: context.may_be_retry,
        frame: frame.clone(),
    };
    let body = Bytes::from(call.encode_to_vec());
    match api.replica().relay(body, context.deadline).await {
        Ok(answer) => match RelayedAnswer::decode(answer) {
            Ok(answer) => unpack(answer),
            Err(error) => Attempt::Unknown(format!("the leader's answer: {error}")),
        },
        Err(error) => {
            let reason = error.to_string();
            match error {
                RelayError::Unknown { .. } => Attempt::Unknown(reason),
                RelayError::NotSent { .. } | RelayError::NotLeader | RelayError::NoLeader => {
                    Attempt::NobodyThere(reason)
                }
                RelayError::Overloaded { .. } | RelayError::Stopping => {
                    Attempt::NotCarriedOut(reason)
                }
            }
        }
    }
}

fn unpack(answer: RelayedAnswer) -> Attempt {
    match (answer.effect(), Code::from_i32(answer.code)) {
        (Effect::Unspecified, Code::Ok) => {
            Attempt::Answered(Ok(Handled { frame: answer.frame, index: answer.applied_index }))
        }
        (Effect::Unspecified, code) => {
            Attempt::Answered(Err(Status::with_details(code, answer.message, answer.details)))
        }
        (effect, _) => failed(effect, answer.message),
    }
}

fn failed(effect: Effect, message: String) -> Attempt {
    match effect {
        Effect::None => Attempt::NotCarriedOut(message),
        // A mark that says nothing promises nothing.
        Effect::Unknown | Effect::Unspecified => Attempt::Unknown(message),
    }
}

/// Waits before the next attempt, the `count`th time, not longer than until leadership changes, or has changed since it was
/// looked at; false when the caller's deadline comes before all that.
async fn pause(api: &Api, signs: &mut Signs, count: u32, deadline: Moment) -> bool {
    let clock = api.clock();
    let longest = (FIRST_PAUSE * 2_u32.pow(count.clamp(1, 8) - 1)).min(LONGEST_PAUSE);
    let pause = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
    if clock.now() + pause >= deadline {
        return signs.take_news();
    }
    // Either way the next attempt begins.
    let _ = clock.timeout(pause, signs.changed()).await;
    true
}

fn give_up(way: &Inner, context: &CallContext, may_have_taken_effect: bool, last: &str) -> Status {
    let effect = if may_have_taken_effect {
        format!("it may have taken effect: retry under the request id {} alone", context.request_id)
    } else {
        "it was not carried out: retry, here or at another replica".to_owned()
    };
    let message = format!("the leader did not answer in time; {effect} ({last})");
    if way.api.clock().now() >= context.deadline && may_have_taken_effect {
        return Status::deadline_exceeded(message);
    }
    let leader = way.hint.get(way.api.replica());
    let leader = leader.as_ref().and_then(|leader| leader.to_str().ok()).unwrap_or_default();
    let effect = if may_have_taken_effect { EFFECT_UNKNOWN } else { EFFECT_NONE };
    let metadata = [("leader", leader), ("effect", effect)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let details = ErrorDetails::with_error_info("NO_LEADER", "navarch", metadata);
    Status::with_error_details(Code::Unavailable, message, details)
}
