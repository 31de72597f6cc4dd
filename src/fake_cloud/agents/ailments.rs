use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// What is wrong with a node, as its agent reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ailment {
    /// The check that is unhealthy until the node is well again.
    pub failing_check: Option<String>,
    /// The XID that the next report tells of, once.
    pub xid: Option<u32>,
}

impl Ailment {
    /// Whether nothing is wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong with the nodes of simulated agents: nothing, until somebody says so.
#[derive(Debug, Default)]
pub struct Ailments {
    /// By node.
    ill: Mutex<BTreeMap<String, Ailment>>,
    /// Counts the changes, so that agents report them at once.
    changes: watch::Sender<u64>,
}

impl Ailments {
    /// What is wrong with a node.
    pub fn of(&self, node_id: &str) -> Ailment {
        self.lock().get(node_id).cloned().unwrap_or_default()
    }

    /// Says what is wrong with a node from now on; its agent reports at once.
    pub fn set(&self, node_id: &str, ailment: Ailment) {
        if ailment.is_none() {
            self.lock().remove(node_id);
        } else {
            self.lock().insert(node_id.to_owned(), ailment);
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// An XID was told of.
    pub(super) fn told(&self, node_id: &str, xid: u32) {
        let mut ill = self.lock();
        if let Some(ailment) = ill.get_mut(node_id).filter(|one| one.xid == Some(xid)) {
            ailment.xid = None;
            if ailment.is_none() {
                ill.remove(node_id);
            }
        }
    }

    /// Waits until something else is wrong with a node than `known`.
    pub(super) async fn news(&self, node_id: &str, known: &Ailment) {
        let mut changes = self.changes.subscribe();
        while self.of(node_id) == *known {
            // The sender lives as long as this does.
            let _ = changes.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Ailment>> {
        self.ill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an XID would be told of at every report, or be forgotten before it was told of.
    #[tokio::test]
    async fn an_xid_is_told_of_once_and_a_check_fails_on() {
        let ailments = Ailments::default();
        let both = Ailment { failing_check: Some("nvlink".to_owned()), xid: Some(79) };
        ailments.set("n", both.clone());
        ailments.news("n", &Ailment::default()).await;
        ailments.told("n", 80);
        assert_eq!(ailments.of("n"), both);
        ailments.told("n", 79);
        assert_eq!(ailments.of("n"), Ailment { xid: None, ..both.clone() });
        ailments.set("n", Ailment::default());
        ailments.news("n", &both).await;
        assert!(ailments.of("n").is_none());
    }
}
