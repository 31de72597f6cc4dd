use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::provider::timestamp::{self, millis};

/// Nodes whose beats are kept; the oldest go first. More than the largest fleet that was tried.
const NODE_LIMIT: usize = 200_000;
/// Stretches kept of one node; the oldest go first.
const STRETCH_LIMIT: usize = 16;
/// A stretch ends where one interval takes as long as so many: control planes miss a node after three.
const LONGEST_GAP: u32 = 2;

/// A time through which a node beat without a gap, as its agent knows. Milliseconds since the Unix epoch; RFC 3339 on
/// the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When the first of its beats was sent.
    #[serde(rename = "from", with = "timestamp::required")]
    pub from_ms: u64,
    /// When the next one would have to be acknowledged at the latest.
    #[serde(rename = "until", with = "timestamp::required")]
    pub until_ms: u64,
}

/// When nodes beat.
#[derive(Debug, Default)]
pub struct Beats(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    stretches: HashMap<String, VecDeque<Stretch>>,
    order: VecDeque<String>,
}

impl Beats {
    /// The stretches of each node, in the order of the nodes' first beats.
    pub fn all(&self) -> Vec<(String, Vec<Stretch>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |node: &String| {
            let stretches = kept.stretches.get(node)?;
            Some((node.clone(), stretches.iter().copied().collect()))
        };
        kept.order.iter().filter_map(of).collect()
    }

    /// Notes a beat of a node that was to beat every `interval`: when it was sent, and when it was acknowledged.
    pub(super) fn note(&self, node: &str, interval: Duration, (sent_ms, acked_ms): (u64, u64)) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { stretches, order } = &mut *kept;
        if !stretches.contains_key(node) {
            order.push_back(node.to_owned());
            stretches.insert(node.to_owned(), VecDeque::new());
            if order.len() > NODE_LIMIT
                && let Some(oldest) = order.pop_front()
            {
                stretches.remove(&oldest);
            }
        }
        let Some(stretches) = stretches.get_mut(node) else { return };
        // The control plane heard it when it was sent, or later.
        let until_ms = sent_ms.saturating_add(millis(interval * LONGEST_GAP));
        match stretches.back_mut() {
            Some(last) if acked_ms <= last.until_ms => last.until_ms = until_ms,
            Some(_) | None => {
                stretches.push_back(Stretch { from_ms: sent_ms, until_ms });
                if stretches.len() > STRETCH_LIMIT {
                    stretches.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a node could count as one that beat while the control plane heard nothing of it.
    #[test]
    fn a_late_acknowledgement_ends_a_stretch() {
        let beats = Beats::default();
        let second = Duration::from_secs(1);
        for (sent_ms, acked_ms) in [(0, 10), (1_000, 1_900), (2_000, 2_990), (3_000, 4_001)] {
            beats.note("a", second, (sent_ms, acked_ms));
        }
        beats.note("b", second, (500, 600));
        let stretches: Vec<_> = beats
            .all()
            .into_iter()
            .map(|(node, of)| {
                (node, of.iter().map(|one| (one.from_ms, one.until_ms)).collect::<Vec<_>>())
            })
            .collect();
        let expected = [
            ("a".to_owned(), vec![(0, 4_000), (3_000, 5_000)]),
            ("b".to_owned(), vec![(500, 2_500)]),
        ];
        assert_eq!(stretches, expected);
    }
}
