use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The machines that the last complete listing of each provider did not show, by the ids of their records. The orphan
/// sweep, which lists, and whoever counts what is silent share it; it dies with the session.
#[derive(Clone, Default)]
pub(super) struct Absences(Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>);

impl Absences {
    /// What a listing of `provider` lacked.
    pub(super) fn listed(&self, provider: &str, missing: impl Iterator<Item = String>) {
        let missing: BTreeSet<_> = missing.collect();
        let mut all = self.lock();
        if missing.is_empty() {
            all.remove(provider);
        } else {
            all.insert(provider.to_owned(), missing);
        }
    }

    /// Forgets all providers but those.
    pub(super) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        self.lock().retain(|provider, _| is_known(provider));
    }

    /// All of them.
    pub(super) fn all(&self) -> BTreeSet<String> {
        self.lock().values().flatten().cloned().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().values().map(BTreeSet::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
