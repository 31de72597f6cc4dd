use std::sync::{Arc, Weak};

use super::{
    estate::{Estate, Kill},
    inner::Asked,
    ledger::LedgerClosed,
};

/// The levers of a fake cloud that runs in this process: what `/v1/admin` offers, and droughts. They keep nothing
/// alive: once the cloud has stopped, they answer that its ledger is closed.
#[derive(Clone)]
pub struct Controls {
    estate: Weak<Estate>,
}

impl Controls {
    pub(super) fn new(estate: &Arc<Estate>) -> Self {
        Self { estate: Arc::downgrade(estate) }
    }

    /// Stops a machine's agent; the machine stays rented.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written any more.
    pub async fn silence(&self, id: &str) -> Result<(), LedgerClosed> {
        self.estate()?.kill(&asked(id), id, Kill::Stays).await.map(drop)
    }

    /// Makes a machine disappear, and its agent with it.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written any more.
    pub async fn vanish(&self, id: &str) -> Result<(), LedgerClosed> {
        self.estate()?.kill(&asked(id), id, Kill::Vanishes).await.map(drop)
    }

    /// Boots the agent of a live machine again where it does not run.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written any more.
    pub async fn revive(&self, id: &str) -> Result<(), LedgerClosed> {
        if self.is_on(id) == Some(false) {
            self.estate()?.revive(&asked(id), id).await?;
        }
        Ok(())
    }

    /// Whether the agent of a live machine runs or boots; none: there is no such machine.
    pub fn is_on(&self, id: &str) -> Option<bool> {
        self.estate.upgrade()?.is_on(id)
    }

    /// Begins or ends a drought, of one type or of all: nothing new of it is sold. The end of one of all ends every
    /// other.
    ///
    /// # Errors
    ///
    /// The cloud has stopped.
    pub fn set_drought(&self, instance_type: Option<&str>, dry: bool) -> Result<(), LedgerClosed> {
        self.estate()?.lock().cloud.set_drought(instance_type, dry);
        Ok(())
    }

    fn estate(&self) -> Result<Arc<Estate>, LedgerClosed> {
        self.estate.upgrade().ok_or(LedgerClosed)
    }
}

/// As the ledger shows it.
fn asked(id: &str) -> Asked {
    Asked {
        method: "POST".to_owned(),
        instance_id: Some(id.to_owned()),
        caller: "fake-cloud (controls)".to_owned(),
        ..Asked::default()
    }
}
