use std::collections::{BTreeMap, BTreeSet};

use navarch::fake_cloud::ledger::{Effect, LedgerEntry};

/// What the fake cloud's ledger says of a run.
pub(super) struct Ledger {
    entries: Vec<LedgerEntry>,
}

impl Ledger {
    /// Reads the ledger, one entry a line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let line =
            |line: &str| serde_json::from_str(line).map_err(|error| format!("{error}: {line}"));
        let lines = text.lines().filter(|line| !line.is_empty());
        Ok(Self { entries: lines.map(line).collect::<Result<_, _>>()? })
    }

    /// How many machines were bought.
    pub(super) fn bought(&self) -> usize {
        self.with(Effect::Created).count()
    }

    /// Orders that were answered with more than one machine.
    pub(super) fn bought_twice(&self) -> Vec<String> {
        let mut keys = BTreeSet::new();
        let twice = |entry: &&LedgerEntry| !keys.insert(entry.idempotency_key.clone());
        let entries: Vec<_> = self.with(Effect::Created).filter(twice).collect();
        entries.iter().map(|entry| format!("bought twice: {entry:?}")).collect()
    }

    /// Moments at which a pool had more machines than its maximum.
    pub(super) fn over(&self, maxima: &BTreeMap<&str, u32>) -> Vec<String> {
        let mut over = Vec::new();
        for entry in &self.entries {
            for (pool, maximum) in maxima {
                let live = entry.live_by_pool.get(*pool).copied().unwrap_or(0);
                if live > *maximum {
                    over.push(format!("{live} machines of {pool}, at most {maximum}: {entry:?}"));
                }
            }
        }
        over
    }

    /// Machines that replicas had ended, with the order that bought each.
    pub(super) fn ended_by_replicas(&self) -> impl Iterator<Item = (&str, &str)> {
        let ended = self.with(Effect::Terminated).filter(|entry| entry.method == "DELETE");
        ended.filter_map(|entry| {
            Some((entry.instance_id.as_deref()?, entry.idempotency_key.as_deref().unwrap_or("")))
        })
    }

    fn with(&self, effect: Effect) -> impl Iterator<Item = &LedgerEntry> {
        self.entries.iter().filter(move |entry| entry.effect == effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, method: &str, key: &str, effect: &str, live: u32) -> String {
        format!(
            "{{\"seq\":{seq},\"at\":\"2026-01-02T03:04:05Z\",\"method\":\"{method}\",\"session\":1,\
             \"idempotency_key\":\"{key}\",\"instance_id\":\"m{seq}\",\"effect\":\"{effect}\",\
             \"live_by_pool\":{{\"a\":{live}}},\"caller\":\"\"}}\n"
        )
    }

    /// Without it the run would pass whatever the ledger says.
    #[test]
    fn bad_ledgers_are_told() {
        let good = line(1, "POST", "i1", "created", 1) + &line(2, "DELETE", "i1", "terminated", 0);
        let maxima = BTreeMap::from([("a", 1)]);
        let ledger = Ledger::read(&good).unwrap();
        assert!(ledger.bought_twice().is_empty() && ledger.over(&maxima).is_empty());
        assert_eq!(ledger.ended_by_replicas().collect::<Vec<_>>(), [("m2", "i1")]);
        let bad = line(1, "POST", "i1", "created", 1) + &line(2, "POST", "i1", "created", 2);
        let ledger = Ledger::read(&bad).unwrap();
        assert_eq!((ledger.bought_twice().len(), ledger.over(&maxima).len()), (1, 1));
        assert!(Ledger::read("nonsense").is_err());
    }
}
