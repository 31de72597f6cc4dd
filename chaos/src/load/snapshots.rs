use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use navarch_host::{Moment, TaskHandle};
use tokio_util::sync::CancellationToken;

use crate::{host::Host, proc::Group};

/// Between two looks at the directories: short beside the half second that a large snapshot takes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Watches from outside when replicas write snapshots: while one is written, its file has a temporary name.
pub struct Snapshots {
    spans: Arc<Mutex<Vec<Span>>>,
    finished: Arc<AtomicUsize>,
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

/// A snapshot was being written.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When it was first seen.
    pub since: Moment,
    /// When it was last seen.
    pub until: Moment,
}

impl Snapshots {
    /// Watches all replicas of `group`.
    pub fn watch(host: &Host, group: &Group) -> Self {
        let (spans, finished) = (Arc::<Mutex<Vec<Span>>>::default(), Arc::<AtomicUsize>::default());
        let stop = CancellationToken::new();
        let tasks = (0..group.len()).map(|index| {
            let directory = group.data_dir(index).join("snapshots");
            let watch = follow(host.clone(), directory, Arc::clone(&spans), Arc::clone(&finished));
            let stop = stop.clone();
            host.spawner.spawn("snapshots", async move {
                stop.run_until_cancelled(watch).await;
            })
        });
        let tasks = tasks.collect();
        Self { spans, finished, stop, tasks }
    }

    /// Snapshots seen to begin and to end.
    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::Relaxed)
    }

    /// Ends the watch; all that was seen.
    pub async fn stop(self) -> Vec<Span> {
        self.stop.cancel();
        for task in self.tasks {
            task.join().await;
        }
        std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn follow(
    host: Host,
    directory: PathBuf,
    spans: Arc<Mutex<Vec<Span>>>,
    finished: Arc<AtomicUsize>,
) {
    // Where this replica's present snapshot stands in the list.
    let mut present = None;
    loop {
        let before = present;
        present = is_writing(&directory).then(|| note(&spans, before, host.clock.now()));
        if before.is_some() && present.is_none() {
            finished.fetch_add(1, Ordering::Relaxed);
        }
        host.clock.sleep(LOOK_EVERY).await;
    }
}

/// Notes that a snapshot, the one at `present` or a new one, is being written: where it stands.
fn note(spans: &Mutex<Vec<Span>>, present: Option<usize>, now: Moment) -> usize {
    let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
    let at = present.unwrap_or_else(|| {
        spans.push(Span { since: now, until: now });
        spans.len() - 1
    });
    spans[at].until = now;
    at
}

fn is_writing(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| Path::new(&name).extension().is_some_and(|extension| extension == "tmp"))
}
