use navarch_host::Chance;

/// What inputs are made with: the same draws for the same seed.
#[derive(Debug)]
pub(crate) struct Random(Chance);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Chance::seeded(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        u64::from_le_bytes(self.0.bytes())
    }

    /// Below `bound`; 0 where there is nothing below it.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.0.bytes();
        byte
    }

    /// One of `choices`; none if there are none.
    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }
}
