/// How much an agent keeps while no report gets through; the least severe events go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxBounds {
    /// Events; 10,000 by default.
    pub events: usize,
    /// Bytes of all events as the wire encodes them; 8 MiB by default. The file in the state directory stays below
    /// three times as much.
    pub bytes: usize,
}

impl Default for OutboxBounds {
    fn default() -> Self {
        Self { events: 10_000, bytes: 8 << 20 }
    }
}
