use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use navarch_cluster::{Replica, ReplicaId};

/// Where clients reach the leader: looked up once a leader, and put on every answer.
#[derive(Debug, Default)]
pub(super) struct LeaderHint {
    known: Mutex<Option<(ReplicaId, HeaderValue)>>,
}

impl LeaderHint {
    /// The public address of the present leader, if one is known and has one.
    pub(super) fn get(&self, replica: &Replica) -> Option<HeaderValue> {
        let leader = replica.leadership().borrow().leader?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, address)) = known.as_ref()
            && *id == leader
        {
            return Some(address.clone());
        }
        let status = replica.status();
        let info = status.replicas.into_iter().find(|replica| replica.id == leader)?;
        let address =
            HeaderValue::try_from(info.public_address).ok().filter(|one| !one.is_empty())?;
        *known = Some((leader, address.clone()));
        Some(address)
    }
}
