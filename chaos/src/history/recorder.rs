use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Event, EventKind, Operation, Value};

/// Takes down what clients ask and are told, in the order in which it happens. Clones write into one history.
/// Time is the caller's, so that it works under simulated time too.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Event>>>);

/// A call that was sent and has not come back. One that is dropped stays open for ever.
#[derive(Debug)]
#[must_use = "a call that nobody ends stays open for ever"]
pub struct OpenCall {
    recorder: Recorder,
    client: u32,
    call: u64,
    operation: Operation,
}

impl Recorder {
    /// Notes that `client` is about to send `operation`, `at_us` microseconds after the run's start.
    pub fn invoke(&self, at_us: u64, client: u32, operation: Operation) -> OpenCall {
        let mut events = self.lock();
        // No two calls begin at the same place of the history.
        let call = events.len() as u64;
        events.push(Event {
            at_us,
            client,
            call,
            kind: EventKind::Invoke,
            operation: operation.clone(),
            value: None,
            index: None,
            why: String::new(),
        });
        OpenCall { recorder: self.clone(), client, call, operation }
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenCall {
    /// It was answered: with what, and which log index the answer reflects.
    pub fn ok(self, at_us: u64, value: Option<Value>, index: Option<u64>) {
        self.end(at_us, EventKind::Ok, (value, index, String::new()));
    }

    /// It was refused: it took no effect and never will.
    pub fn fail(self, at_us: u64, why: String) {
        self.end(at_us, EventKind::Fail, (None, None, why));
    }

    /// Nobody knows what became of it.
    pub fn info(self, at_us: u64, why: String) {
        self.end(at_us, EventKind::Info, (None, None, why));
    }

    fn end(
        self,
        at_us: u64,
        kind: EventKind,
        (value, index, why): (Option<Value>, Option<u64>, String),
    ) {
        let Self { recorder, client, call, operation } = self;
        let event = Event { at_us, client, call, kind, operation, value, index, why };
        recorder.lock().push(event);
    }
}
