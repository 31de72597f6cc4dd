use navarch_host::planted::{self, Bug};
use navarch_proto::fleet::RequestKey;

/// Who proposes something. It goes into the journal with whatever the proposal changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Author {
    /// `operator`, `agent:<node>`, `controller:<name>` or `replica:<name>`.
    pub actor: String,
    /// The leader session that fences a controller; 0 for calls from outside.
    pub session: u64,
    /// Under which a retry is answered again instead of taking effect twice.
    pub request: Option<RequestKey>,
}

impl Author {
    /// A caller from outside.
    pub fn caller(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), session: 0, request: None }
    }

    /// A control loop of the leader whose session is `session`.
    pub fn controller(name: &str, session: u64) -> Self {
        let session = if planted::is(Bug::DropFence) { 0 } else { session };
        Self { actor: format!("controller:{name}"), session, request: None }
    }

    /// The same author, whose proposal takes effect once under `request`.
    #[must_use]
    pub fn under(mut self, request: RequestKey) -> Self {
        self.request = (!planted::is(Bug::ForgetRequestTable)).then_some(request);
        self
    }
}
