//! An observer that keeps what it is told.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use navarch::notify::{
    HealthTransition, InstanceFailure, InstanceObserver, NodeHealthObserver, NotifyError,
};

/// Lines of what happened to nodes and instances.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    /// Whether there is a line with that in it.
    pub(crate) fn has(&self, text: &str) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().any(|line| line.contains(text))
    }

    fn note(&self, line: String) {
        println!("      observer: {line}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

#[async_trait]
impl NodeHealthObserver for Diary {
    async fn on_health_transition(&self, change: &HealthTransition) -> Result<(), NotifyError> {
        let HealthTransition { node_id, from, to, rule, .. } = change;
        let by = if rule.is_empty() { String::new() } else { format!(" by {rule}") };
        self.note(format!("{node_id} went from {from} to {to}{by}"));
        Ok(())
    }
}

#[async_trait]
impl InstanceObserver for Diary {
    async fn on_stale_instance(&self, failure: &InstanceFailure) -> Result<(), NotifyError> {
        self.note(format!("{} is stale: {}", failure.provider_ref, failure.reason));
        Ok(())
    }

    async fn on_failed_instance(&self, failure: &InstanceFailure) -> Result<(), NotifyError> {
        self.note(format!("{} failed: {}", failure.provider_ref, failure.reason));
        Ok(())
    }
}
