use std::sync::Arc;

use navarch_proto::fleet::RuleRemarkKind;

use crate::time::LogTime;

/// What a remark is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleRemarkKey {
    /// What is remarked.
    pub kind: RuleRemarkKind,
    /// Of which rule.
    pub rule: Arc<str>,
    /// On which node; empty: of a failure, which is told once whichever node meets it.
    pub node_id: Arc<str>,
}

/// A remark on a rule that the journal has, and that is not made again for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRemark {
    /// When it was made.
    pub at: LogTime,
    /// The node whose report brought it.
    pub node_id: Arc<str>,
    /// What was said.
    pub text: Arc<str>,
}
