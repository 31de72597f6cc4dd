//! A workload system that keeps a list of calls and answers them as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use navarch_host::Clock;

use super::Notifiers;
use crate::notify::{
    Channels, DrainStatus, HealthTransition, NodeHealthObserver, Notice, Notifier, NotifyError,
};

/// Takes notice of everything and is never done, where a test says nothing else.
pub(super) struct ScriptedWorkloads {
    clock: Clock,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    /// `drain m-i1: maintenance`, `status m-i1`, `health 7 m-i1 unknown unhealthy`, ...
    calls: Vec<String>,
    answers: VecDeque<Answer>,
    statuses: VecDeque<Result<DrainStatus, NotifyError>>,
}

/// How a notice is answered.
pub(super) enum Answer {
    Now(Result<(), NotifyError>),
    /// After this long, with success.
    Late(Duration),
}

pub(super) fn failed() -> Answer {
    Answer::Now(Err(NotifyError::Failed("503 Service Unavailable: later".to_owned())))
}

pub(super) fn refused() -> Answer {
    Answer::Now(Err(NotifyError::Refused("403 Forbidden: job 7 must not move".to_owned())))
}

pub(super) fn status(drained: bool) -> Result<DrainStatus, NotifyError> {
    Ok(DrainStatus { drained, message: "as it says".to_owned() })
}

impl ScriptedWorkloads {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, script: Mutex::default() }
    }

    /// Leads to this workload system; nodes' health is told where the configuration has a `health_url`.
    pub(super) fn notifiers(self: &Arc<Self>) -> Notifiers {
        let own = Arc::clone(self);
        Notifiers::built_by(Box::new(move |spec| {
            let health = (!spec.health_url.is_empty()).then(|| Arc::clone(&own) as _);
            Ok(Channels { notifier: Arc::clone(&own) as _, health })
        }))
    }

    /// Answers to the next notices, in the order in which they come.
    pub(super) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().answers.extend(answers);
    }

    /// Answers to the next questions after a drain.
    pub(super) fn answer_statuses(
        &self,
        answers: impl IntoIterator<Item = Result<DrainStatus, NotifyError>>,
    ) {
        self.script.lock().unwrap().statuses.extend(answers);
    }

    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().calls)
    }

    async fn told(&self, call: String) -> Result<(), NotifyError> {
        let answer = {
            let mut script = self.script.lock().unwrap();
            script.calls.push(call);
            script.answers.pop_front()
        };
        match answer {
            None => Ok(()),
            Some(Answer::Now(answer)) => answer,
            Some(Answer::Late(delay)) => {
                self.clock.sleep(delay).await;
                Ok(())
            }
        }
    }
}

fn call(what: &str, notice: &Notice) -> String {
    format!("{what} {}: {}", notice.node_id, notice.reason)
}

#[async_trait]
impl Notifier for ScriptedWorkloads {
    async fn cordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.told(call("cordon", notice)).await
    }

    async fn uncordon(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.told(call("uncordon", notice)).await
    }

    async fn drain(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.told(call("drain", notice)).await
    }

    async fn drain_status(&self, node_id: &str) -> Result<DrainStatus, NotifyError> {
        let mut script = self.script.lock().unwrap();
        script.calls.push(format!("status {node_id}"));
        script.statuses.pop_front().unwrap_or_else(|| status(false))
    }
}

#[async_trait]
impl NodeHealthObserver for ScriptedWorkloads {
    async fn on_health_transition(&self, transition: &HealthTransition) -> Result<(), NotifyError> {
        let HealthTransition { event_index, node_id, from, to, .. } = transition;
        self.told(format!("health {event_index} {node_id} {from} {to}")).await
    }
}
