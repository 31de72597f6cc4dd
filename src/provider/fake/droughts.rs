use std::collections::BTreeSet;

/// What a simulated cloud does not sell at present.
#[derive(Clone, Debug, Default)]
pub(super) struct Droughts {
    all: bool,
    types: BTreeSet<String>,
}

impl Droughts {
    /// Begins or ends a drought, of one type or of all. The end of one of all ends every other.
    pub(super) fn set(&mut self, instance_type: Option<&str>, dry: bool) {
        match (instance_type, dry) {
            (None, true) => self.all = true,
            (None, false) => *self = Self::default(),
            (Some(name), true) => {
                self.types.insert(name.to_owned());
            }
            (Some(name), false) => {
                self.types.remove(name);
            }
        }
    }

    /// Whether a type is not to be had.
    pub(super) fn cover(&self, instance_type: &str) -> bool {
        self.all || self.types.contains(instance_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a drought could spread to other types, or outlast its end.
    #[test]
    fn a_drought_covers_one_type_or_all() {
        let mut droughts = Droughts::default();
        droughts.set(Some("a"), true);
        assert_eq!((droughts.cover("a"), droughts.cover("b")), (true, false));
        droughts.set(None, true);
        droughts.set(Some("a"), false);
        assert!(droughts.cover("a") && droughts.cover("b"));
        droughts.set(Some("b"), true);
        droughts.set(None, false);
        assert!(!droughts.cover("a") && !droughts.cover("b"));
    }
}
