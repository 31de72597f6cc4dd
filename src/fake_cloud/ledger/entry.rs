use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::provider::timestamp;

/// One request, or one effect that came later than its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Counts from 1 without a gap.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch; RFC 3339 on the wire.
    #[serde(rename = "at", with = "timestamp::required")]
    pub at_ms: u64,
    /// The HTTP method.
    pub method: String,
    /// `navarch-session` of the request.
    pub session: Option<u64>,
    /// `idempotency-key` of the request; for a request about one machine, the key that bought it.
    pub idempotency_key: Option<String>,
    /// The cloud's id of the machine that the request was about or bought.
    pub instance_id: Option<String>,
    /// What it did.
    pub effect: Effect,
    /// Machines bought and not given back, by pool, after the effect; pools without any are left out.
    pub live_by_pool: BTreeMap<String, u32>,
    /// Who asked: `user-agent`, and the address that the request came from.
    pub caller: String,
}

/// What a request did to the number of machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// One more.
    Created,
    /// One less.
    Terminated,
    /// Nothing.
    #[default]
    None,
}
