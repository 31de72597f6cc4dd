use navarch::client::CallError;
use tonic::Code;

use crate::history::{OpenCall, Operation, Recorder, Stopwatch, Value};

/// Takes down what one client asks and is told.
#[derive(Clone)]
pub struct Scribe {
    recorder: Recorder,
    stopwatch: Stopwatch,
    client: u32,
}

impl Scribe {
    /// Writes into `recorder` for the client of this number, which has one call at a time.
    pub fn new(recorder: Recorder, stopwatch: Stopwatch, client: u32) -> Self {
        Self { recorder, stopwatch, client }
    }

    /// The client is about to ask.
    pub fn asks(&self, operation: Operation) -> OpenCall {
        self.recorder.invoke(self.stopwatch.at_us(), self.client, operation)
    }

    /// The client was told: what, and which log index that reflects; or why not.
    pub fn is_told(&self, call: OpenCall, told: Result<(Option<Value>, Option<u64>), &CallError>) {
        let at_us = self.stopwatch.at_us();
        match told {
            Ok((value, index)) => call.ok(at_us, value, index),
            Err(error) if is_refusal(error) => call.fail(at_us, error.to_string()),
            Err(error) => call.info(at_us, error.to_string()),
        }
    }
}

/// Whether a call that failed so took no effect and never will. Of anything else nobody knows: a first try may have
/// got through before a later one failed.
fn is_refusal(error: &CallError) -> bool {
    match error {
        CallError::Refused { code, .. } => matches!(
            code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
        ),
        CallError::TooLarge { .. } | CallError::BadRequestId(_) => true,
        CallError::Unreachable { .. }
        | CallError::TimedOut { .. }
        | CallError::BadAnswer { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{EventKind, Recorder},
        host::Host,
    };

    /// Without it a write whose answer was lost could be taken for one that was refused, and its effect for a phantom.
    #[tokio::test]
    async fn only_clear_refusals_count_as_such() {
        let refused = |code| CallError::Refused {
            code,
            message: String::new(),
            details: Vec::new().into(),
            endpoint: "r1".into(),
        };
        let table = [
            (CallError::TooLarge { size: 2, limit: 1 }, EventKind::Fail),
            (refused(Code::NotFound), EventKind::Fail),
            (refused(Code::Unavailable), EventKind::Info),
            (refused(Code::Aborted), EventKind::Info),
        ];
        for (error, expected) in table {
            let recorder = Recorder::default();
            let stopwatch = Stopwatch::start(&Host::system().clock);
            let scribe = Scribe::new(recorder.clone(), stopwatch, 3);
            let call = scribe.asks(Operation::Write { key: "k".to_owned(), value: 1 });
            scribe.is_told(call, Err(&error));
            assert_eq!(recorder.events()[1].kind, expected, "{error}");
        }
    }
}
