use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::provider::{Machine, labels};

/// What all clouds sold, and for how long.
#[derive(Debug, Default)]
pub(super) struct Bills(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By provider and machine.
    sales: BTreeMap<(String, String), Sale>,
    live: BTreeMap<String, u32>,
    peaks: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct Sale {
    pool: String,
    order: String,
    price_per_hour: f64,
    from_ms: u64,
    until_ms: Option<u64>,
}

/// The sum of all bills.
pub(super) struct Total {
    pub(super) bought: u32,
    /// Dollars.
    pub(super) spending: f64,
    /// By provider and pool.
    pub(super) machines: BTreeMap<(String, String), u32>,
    /// The most machines that each pool had at any instant.
    pub(super) peaks: BTreeMap<String, u32>,
    /// Orders with more than one machine.
    pub(super) bought_twice: Vec<String>,
}

impl Bills {
    /// Whether the machine is on a bill already.
    pub(super) fn knows(&self, provider: &str, id: &str) -> bool {
        self.lock().sales.contains_key(&(provider.to_owned(), id.to_owned()))
    }

    /// Enters a machine, once.
    pub(super) fn sold(&self, provider: &str, machine: &Machine, now_ms: u64) {
        if self.knows(provider, &machine.id) {
            return;
        }
        let label = |key| machine.labels.get(key).cloned().unwrap_or_default();
        let sale = Sale {
            pool: label(labels::POOL),
            order: label(labels::INSTANCE),
            price_per_hour: machine.price_per_hour,
            from_ms: now_ms,
            until_ms: None,
        };
        let mut kept = self.lock();
        let live = kept.live.entry(sale.pool.clone()).or_default();
        *live += 1;
        let live = *live;
        let peak = kept.peaks.entry(sale.pool.clone()).or_default();
        *peak = live.max(*peak);
        kept.sales.insert((provider.to_owned(), machine.id.clone()), sale);
    }

    /// Ends a machine's bill.
    pub(super) fn ended(&self, provider: &str, id: &str, now_ms: u64) {
        let mut kept = self.lock();
        let Some(sale) = kept.sales.get_mut(&(provider.to_owned(), id.to_owned())) else { return };
        if sale.until_ms.is_none() {
            sale.until_ms = Some(now_ms);
            let pool = sale.pool.clone();
            if let Some(live) = kept.live.get_mut(&pool) {
                *live = live.saturating_sub(1);
            }
        }
    }

    /// The sum as of now.
    pub(super) fn total(&self, now_ms: u64) -> Total {
        let kept = self.lock();
        let mut orders: BTreeMap<&str, u32> = BTreeMap::new();
        let mut machines: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut spending = 0.0;
        for ((provider, _), sale) in &kept.sales {
            *orders.entry(&sale.order).or_default() += 1;
            let had_ms = sale.until_ms.unwrap_or(now_ms).saturating_sub(sale.from_ms);
            spending += sale.price_per_hour * hours(had_ms);
            if sale.until_ms.is_none() {
                *machines.entry((provider.clone(), sale.pool.clone())).or_default() += 1;
            }
        }
        let twice = orders.iter().filter(|(_, count)| **count > 1);
        Total {
            bought: u32::try_from(kept.sales.len()).unwrap_or(u32::MAX),
            spending,
            machines,
            peaks: kept.peaks.clone(),
            bought_twice: twice.map(|(order, _)| (*order).to_owned()).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a scenario's milliseconds are far below 2^52")]
fn hours(ms: u64) -> f64 {
    ms as f64 / 3_600_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(id: &str, order: &str) -> Machine {
        let labels = serde_json::json!({ labels::POOL: "p", labels::INSTANCE: order });
        let json = serde_json::json!({
            "id": id, "state": "running", "labels": labels, "price_per_hour": 2.0
        });
        serde_json::from_value(json).unwrap()
    }

    /// Without it money would be counted wrongly, and an order with two machines would go unnoticed.
    #[test]
    fn machines_cost_money_while_they_are_had() {
        let bills = Bills::default();
        bills.sold("a", &machine("m-1", "i-1"), 0);
        bills.sold("a", &machine("m-1", "i-1"), 5);
        bills.ended("a", "m-1", 3_600_000);
        bills.ended("a", "m-1", 7_200_000);
        bills.sold("b", &machine("m-1", "i-2"), 3_600_000);
        let total = bills.total(7_200_000);
        assert_eq!((total.bought, total.spending, total.peaks["p"]), (2, 4.0, 1));
        assert_eq!(total.machines, BTreeMap::from([(("b".to_owned(), "p".to_owned()), 1)]));
        assert!(total.bought_twice.is_empty());
        bills.sold("b", &machine("m-2", "i-2"), 7_200_000);
        assert_eq!(bills.total(7_200_000).bought_twice, ["i-2"]);
    }
}
