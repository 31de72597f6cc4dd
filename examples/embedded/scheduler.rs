//! The program's own workload system: it is asked to take the work off a node before its machine is given back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use navarch::notify::{DrainStatus, Notice, Notifier, NotifyError};

/// Places jobs on nodes; here they are moved at once.
#[derive(Clone, Default)]
pub(crate) struct Scheduler(Arc<Mutex<BTreeSet<String>>>);

impl Scheduler {
    /// Whether the work was taken off that node.
    pub(crate) fn drained(&self, node_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(node_id)
    }
}

#[async_trait]
impl Notifier for Scheduler {
    async fn cordon(&self, _: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }

    async fn uncordon(&self, _: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }

    async fn drain(&self, notice: &Notice) -> Result<(), NotifyError> {
        println!("      scheduler: takes the work off {}", notice.node_id);
        let mut drained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drained.insert(notice.node_id.clone());
        Ok(())
    }

    async fn drain_status(&self, node_id: &str) -> Result<DrainStatus, NotifyError> {
        Ok(DrainStatus { drained: self.drained(node_id), message: String::new() })
    }
}
