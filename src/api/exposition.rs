use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use navarch_host::{Clock, Moment, Spawner};
use tokio::sync::Mutex;

use super::{call::Api, metrics};

/// The text of all series is shared for this many times as long as it took to make: whoever asks, and however often, takes a
/// tenth of a processor at most.
const SHARED_FOR: u32 = 9;

/// The text of all series, made by one thread at a time. Anybody may ask for it, and of a large fleet it takes long and is
/// large: a text for each request would be memory and threads without a bound.
#[derive(Clone, Default)]
pub(super) struct Exposition {
    /// Held by the thread that makes the next one, also if whoever asked for it has gone away.
    last: Arc<Mutex<Option<Text>>>,
}

#[derive(Clone)]
struct Text {
    text: Bytes,
    fresh_until: Moment,
}

impl Exposition {
    /// The newest text, made anew unless it is fresh.
    pub(super) async fn text(&self, api: &Arc<Api>) -> Bytes {
        let asked = Arc::clone(api);
        self.shared(api.clock(), &*api.spawner, move || metrics::expose(&asked)).await
    }

    async fn shared(
        &self,
        clock: &Clock,
        spawner: &dyn Spawner,
        make: impl FnOnce() -> String + Send + 'static,
    ) -> Bytes {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let clock = clock.clone();
        if let Some(last) = last.as_ref().filter(|last| clock.now() < last.fresh_until) {
            return last.text.clone();
        }
        // Away from the connection's own thread: it goes through the whole fleet.
        let made = spawner.on_thread("metrics", move || {
            let begun = clock.now();
            let text = Bytes::from(make());
            let took: Duration = clock.now().since(begun);
            let fresh_until = clock.now() + took * SHARED_FOR;
            *last = Some(Text { text: text.clone(), fresh_until });
            text
        });
        match made {
            Ok(made) => made.await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use futures::future::join_all;
    use navarch_host::SystemSpawner;

    use super::*;

    /// Without it anybody could fill a leader's memory, and take its processors, with requests for its series.
    #[tokio::test]
    async fn one_thread_at_a_time_makes_a_text_that_all_share() {
        let (exposition, clock) = (Exposition::default(), Clock::system());
        let spawner = SystemSpawner::current();
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (proceed, waits) = mpsc::channel::<()>();
        let waits = Arc::new(std::sync::Mutex::new(waits));
        let make = || {
            let (at_once, most, waits) = (at_once.clone(), most.clone(), waits.clone());
            move || {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                waits.lock().unwrap().recv().unwrap();
                at_once.fetch_sub(1, Ordering::SeqCst);
                "text".to_owned()
            }
        };
        // One that goes away leaves a thread behind, which the next one waits for.
        let gone = exposition.shared(&clock, &*spawner, make());
        assert!(clock.timeout(Duration::from_millis(20), gone).await.is_err());
        let all = join_all((0..20).map(|_| exposition.shared(&clock, &*spawner, make())));
        let release = async {
            clock.sleep(Duration::from_millis(50)).await;
            for _ in 0..21 {
                proceed.send(()).unwrap();
            }
        };
        let (texts, ()) = tokio::join!(all, release);
        assert!(texts.iter().all(|text| text == "text"));
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert!(texts[1..].iter().all(|text| text.as_ptr() == texts[0].as_ptr()), "one text");
    }
}
