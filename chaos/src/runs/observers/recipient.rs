use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{error::ChaosError, host::Host};

/// One call in so many is refused with an error that asks for another try.
const TROUBLE_EVERY: usize = 7;

/// What is told of a change of health, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Told {
    pub(super) event_index: u64,
    pub(super) node_id: String,
    pub(super) to: String,
}

/// Whoever is told of health over a webhook; it has trouble now and then.
#[derive(Clone, Default)]
pub(super) struct Recipient(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    calls: usize,
    troubles: usize,
    /// What was taken in, in the order of its coming.
    told: Vec<Told>,
}

impl Recipient {
    /// Listens on a port of its own; answers its url.
    pub(super) async fn listen(&self, host: &Host) -> Result<String, ChaosError> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(ChaosError::system("listen for the webhook"))?;
        let address = listener.local_addr().map_err(ChaosError::system("name the webhook"))?;
        let router = Router::new().route("/health", post(Self::take_in)).with_state(self.clone());
        host.spawner.spawn("recipient", async move {
            // It ends with the run.
            let _ = axum::serve(listener, router).await;
        });
        Ok(format!("http://{address}/health"))
    }

    async fn take_in(State(own): State<Self>, Json(told): Json<Told>) -> StatusCode {
        let mut book = own.lock();
        book.calls += 1;
        if book.calls.is_multiple_of(TROUBLE_EVERY) {
            book.troubles += 1;
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        book.told.push(told);
        StatusCode::OK
    }

    /// Calls that were refused.
    pub(super) fn troubles(&self) -> usize {
        self.lock().troubles
    }

    /// What was taken in, in the order of its coming.
    pub(super) fn told(&self) -> Vec<Told> {
        self.lock().told.clone()
    }

    /// How often each event was taken in.
    pub(super) fn counts(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for told in &self.lock().told {
            *counts.entry(told.event_index).or_default() += 1;
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
