use std::borrow::Borrow;

use imbl::{OrdMap, OrdSet};

/// From one key to many ids, both in order. A key without ids takes no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index<K: Ord, V: Ord>(OrdMap<K, OrdSet<V>>);

impl<K: Ord + Clone, V: Ord + Clone> Default for Index<K, V> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Index<K, V> {
    pub(crate) fn insert(&mut self, key: &K, id: V) {
        if let Some(ids) = self.0.get_mut(key) {
            ids.insert(id);
        } else {
            self.0.insert(key.clone(), OrdSet::unit(id));
        }
    }

    pub(crate) fn remove(&mut self, key: &K, id: &V) {
        let Some(ids) = self.0.get_mut(key) else {
            return;
        };
        ids.remove(id);
        if ids.is_empty() {
            self.0.remove(key);
        }
    }

    /// The key's ids, in order.
    pub(crate) fn get<'a, Q>(
        &'a self,
        key: &Q,
    ) -> impl DoubleEndedIterator<Item = &'a V> + use<'a, Q, K, V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.get(key).into_iter().flat_map(OrdSet::iter)
    }

    /// How many ids the key has.
    pub(crate) fn count<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.get(key).map_or(0, OrdSet::len)
    }

    /// The keys that have ids, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// How many ids all keys have together.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(OrdSet::len).sum()
    }

    /// The key's first id.
    pub(crate) fn first<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.get(key).and_then(OrdSet::get_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Emptied keys that stayed would make the index grow with every pool that ever was.
    #[test]
    fn keeps_no_empty_key() {
        let mut index: Index<u8, u8> = Index::default();
        index.insert(&1, 7);
        index.insert(&1, 5);
        assert_eq!((index.count(&1), index.first(&1)), (2, Some(&5)));
        assert_eq!(index.get(&1).copied().collect::<Vec<_>>(), [5, 7]);
        index.remove(&1, &5);
        index.remove(&1, &7);
        index.remove(&2, &7);
        assert_eq!(index, Index::default());
    }
}
