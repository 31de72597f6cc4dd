use std::{sync::Arc, time::Duration};

use super::{
    estate::Estate,
    inner::{Asked, Delayed, Note},
    ledger::{Change, LedgerClosed},
};
use crate::provider::timestamp::millis;

/// Delayed orders that wait to take effect; further ones take effect at once.
const DELAYED_LIMIT: usize = 10_000;

impl Estate {
    /// Accepts an order that takes effect after `delay`. Whether it was accepted: not if its key is known.
    pub(super) async fn order_later(
        self: &Arc<Self>,
        asked: &Asked,
        body: &[u8],
        delay: Duration,
    ) -> Result<bool, LedgerClosed> {
        let key = asked.key.clone().unwrap_or_default();
        let (Ok(body), false) = (std::str::from_utf8(body), key.is_empty()) else {
            return Ok(false);
        };
        {
            let inner = self.lock();
            let known = inner.cloud.knows(&key) || inner.delayed.contains_key(&key);
            if known || inner.delayed.len() >= DELAYED_LIMIT {
                return Ok(false);
            }
        }
        self.record(asked, |inner, now_ms| {
            let delayed =
                Delayed { body: body.to_owned(), due_ms: now_ms.saturating_add(millis(delay)) };
            let note = Note {
                change: Some(Change::Delayed {
                    key: key.clone(),
                    body: delayed.body.clone(),
                    due_ms: delayed.due_ms,
                }),
                ..Note::default()
            };
            if inner.cloud.knows(&key) {
                // Bought meanwhile by another request: there is nothing left to delay.
                return (true, Note::default());
            }
            inner.delayed.insert(key.clone(), delayed.clone());
            self.schedule(key, delayed, now_ms);
            (true, note)
        })
        .await
    }

    /// Tries a delayed order when it is due, unless it has been settled by then.
    pub(super) fn schedule(self: &Arc<Self>, key: String, delayed: Delayed, now_ms: u64) {
        let estate = Arc::clone(self);
        let wait = Duration::from_millis(delayed.due_ms.saturating_sub(now_ms));
        self.spawner.spawn("delayed-commit", async move {
            tokio::select! {
                () = estate.clock.sleep(wait) => {}
                () = estate.stop.cancelled() => return,
            }
            let asked = Asked {
                method: "POST".to_owned(),
                key: Some(key.clone()),
                caller: "fake-cloud (delayed commit)".to_owned(),
                ..Asked::default()
            };
            let waiting = estate.lock().delayed.contains_key(&key);
            if waiting && estate.order(&asked, delayed.body.as_bytes()).await.is_err() {
                tracing::error!(key, "a delayed order is lost with the ledger");
            }
        });
    }
}
