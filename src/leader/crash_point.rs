//! Places where a leader can be made to die in the middle of its work, so that a chaos run can strike each of them.
//!
//! `NAVARCH_CRASH_POINTS` names a folder; without it nothing here does anything. Each place that is passed leaves a file
//! `NAME.seen` there, and where a file `NAME.armed` lies the process takes it away and kills itself with SIGKILL.

use std::{
    collections::BTreeSet,
    env, fs,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

static FOLDER: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| env::var_os("NAVARCH_CRASH_POINTS").map(PathBuf::from));
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Whether anybody wants to know of places.
pub(super) fn is_wanted() -> bool {
    FOLDER.is_some()
}

/// Passes the place that `name` tells, which is asked for only where somebody wants to know.
pub(super) fn pass(name: impl FnOnce() -> String) {
    let Some(folder) = &*FOLDER else { return };
    let name = name();
    if fs::remove_file(folder.join(format!("{name}.armed"))).is_ok() {
        tracing::warn!(point = name, "dying at an armed crash point");
        // It cannot fail for a process of one's own, and it does not return.
        let _ = kill_process(getpid(), Signal::KILL);
    }
    if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone())
        && let Err(error) = fs::write(folder.join(format!("{name}.seen")), "")
    {
        tracing::warn!(%error, point = name, "a crash point leaves no trace");
    }
}
