use std::sync::Arc;

/// A response with what the replica said about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The response message.
    pub message: T,
    /// The log index that the answer reflects (`navarch-applied-index`).
    pub applied_index: Option<u64>,
    /// Public address of the leader as the replica knows it (`navarch-leader`).
    pub leader: Option<Arc<str>>,
    /// The replica that answered, `host:port`.
    pub endpoint: Arc<str>,
}

impl<T> Answer<T> {
    /// The same answer around another message.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            message: change(self.message),
            applied_index: self.applied_index,
            leader: self.leader,
            endpoint: self.endpoint,
        }
    }
}
