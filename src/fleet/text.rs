//! Texts that many records share, and texts that are cut.

use std::sync::Arc;

use imbl::OrdSet;

/// Distinct texts that are shared; more are stored record by record, so that invented ones cannot pile up.
const MAX_SHARED: usize = 4096;

/// One copy of the texts that thousands of records repeat (providers, regions, types, pools, actors).
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedTexts(OrdSet<Arc<str>>);

impl SharedTexts {
    /// The shared copy of a text.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if text.is_empty() {
            return Arc::default();
        }
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = Arc::from(text);
        if self.0.len() < MAX_SHARED {
            self.0.insert(shared.clone());
        }
        shared
    }
}

/// The longest start of `text` that has at most `limit` bytes and ends between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A text as its record holds it; empty ones take no memory.
pub(crate) fn stored(text: &str, limit: usize) -> Arc<str> {
    if text.is_empty() { Arc::default() } else { Arc::from(cut(text, limit)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without sharing, 200,000 nodes hold 200,000 copies of their pool's name.
    #[test]
    fn equal_texts_are_one() {
        let mut texts = SharedTexts::default();
        assert!(Arc::ptr_eq(&texts.share("pool-a"), &texts.share("pool-a")));
        for number in 0..10_000 {
            texts.share(&number.to_string());
        }
        assert_eq!(texts.0.len(), MAX_SHARED);
    }

    /// Cutting inside a character would panic in apply, on every replica at once.
    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
        assert_eq!(cut("a", 9), "a");
    }
}
