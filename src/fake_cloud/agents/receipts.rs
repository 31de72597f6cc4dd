use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::provider::timestamp;

/// Receipts kept; the oldest go first.
const RECEIPT_LIMIT: usize = 100_000;

/// What became of one node command at its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The node.
    pub node_id: String,
    /// The command.
    pub command_id: String,
    /// Its type, by its full name.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it was delivered.
    pub deliveries: u32,
    /// How often it was executed.
    pub executions: u32,
    /// How often its acknowledgement was accepted.
    pub acknowledgements: u32,
    /// When it was first delivered, in milliseconds since the Unix epoch; RFC 3339 on the wire.
    #[serde(rename = "first_at", with = "timestamp::required")]
    pub first_at_ms: u64,
}

/// Every command that simulated agents have got.
#[derive(Debug, Default)]
pub struct Receipts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By node and command.
    receipts: HashMap<(String, String), Receipt>,
    order: VecDeque<(String, String)>,
}

impl Receipts {
    /// Every receipt, in the order of the first delivery.
    pub fn all(&self) -> Vec<Receipt> {
        let kept = self.lock();
        kept.order.iter().filter_map(|key| kept.receipts.get(key).cloned()).collect()
    }

    /// Changes the receipt of a command, which is new at its first delivery.
    pub(super) fn note(
        &self,
        (node_id, command_id): (&str, &str),
        kind: &str,
        at_ms: u64,
        change: impl FnOnce(&mut Receipt),
    ) {
        let key = (node_id.to_owned(), command_id.to_owned());
        let mut kept = self.lock();
        let Kept { receipts, order } = &mut *kept;
        let receipt = receipts.entry(key.clone()).or_insert_with(|| {
            order.push_back(key);
            Receipt {
                node_id: node_id.to_owned(),
                command_id: command_id.to_owned(),
                kind: kind.to_owned(),
                deliveries: 0,
                executions: 0,
                acknowledgements: 0,
                first_at_ms: at_ms,
            }
        });
        change(receipt);
        if order.len() > RECEIPT_LIMIT
            && let Some(oldest) = order.pop_front()
        {
            receipts.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
