use navarch_host::Chance;

/// How much of what was never synced is on the disk all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// All of it.
    All,
    /// Some writes, whole or in part, in no order: what a disk's cache had got round to.
    Some {
        /// Writes are torn at multiples of this many bytes.
        sector: u64,
    },
}

impl Survivors {
    /// One of them; most often some.
    pub fn draw(chance: &Chance) -> Self {
        match chance.below(8) {
            0 | 1 => Self::None,
            2 => Self::All,
            3..=5 => Self::Some { sector: 512 },
            _ => Self::Some { sector: 4_096 },
        }
    }

    /// The parts of a write of `length` bytes at `offset` that survive, as offsets in the file.
    pub(super) fn parts(self, chance: &Chance, offset: u64, length: u64) -> Vec<(u64, u64)> {
        let end = offset + length;
        let sector = match self {
            Self::None => return Vec::new(),
            Self::All => return vec![(offset, end)],
            Self::Some { sector } => sector,
        };
        match chance.below(3) {
            0 => return Vec::new(),
            1 => return vec![(offset, end)],
            _ => {}
        }
        let mut parts = Vec::new();
        let mut at = offset;
        while at < end {
            let next = ((at / sector + 1) * sector).min(end);
            if chance.below(2) == 0 {
                parts.push((at, next));
            }
            at = next;
        }
        parts
    }

    /// How many of `count` changes of one directory's names survive, the oldest first: file systems keep their
    /// order.
    pub(super) fn names(self, chance: &Chance, count: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => count,
            Self::Some { .. } => chance.below(count + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a torn write would be whole, or torn where no disk tears.
    #[test]
    fn parts_end_at_sectors() {
        let chance = Chance::seeded(5);
        let some = Survivors::Some { sector: 512 };
        let mut torn = 0;
        for _ in 0..200 {
            for (from, to) in some.parts(&chance, 700, 2_000) {
                torn += usize::from((from, to) != (700, 2_700));
                assert!(from == 700 || from % 512 == 0, "{from}");
                assert!(to == 2_700 || to % 512 == 0, "{to}");
            }
        }
        assert!(torn > 50, "{torn}");
        assert_eq!(Survivors::None.parts(&chance, 0, 9), []);
        assert_eq!(Survivors::All.parts(&chance, 0, 9), [(0, 9)]);
    }
}
