use crate::{bytes, random::Random, wire};

/// What an input looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Bytes,
    /// A protobuf message.
    Message,
    /// Text in which these words mean something.
    Text(&'static [&'static str]),
}

/// Words at which readers of any text stumble.
const WORDS: [&str; 16] = [
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[",
    "{",
    "]",
    "}",
    ":",
    "\u{0}",
    "\\ud800",
    "\u{1f600}",
    "\n",
];

/// Makes inputs out of others.
pub(crate) struct Mutator<'a> {
    pub(crate) shape: Shape,
    pub(crate) seeds: &'a [Vec<u8>],
    pub(crate) random: Random,
}

impl Mutator<'_> {
    /// A seed, changed in one to eight places; now and then mere noise.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        if self.seeds.is_empty() || random.once_in(64) {
            return (0..random.below(200)).map(|_| random.byte()).collect();
        }
        let mut input = random.of(self.seeds).cloned().unwrap_or_default();
        for _ in 0..=random.below(8) {
            let other = random.of(self.seeds).map_or(&[][..], Vec::as_slice);
            match self.shape {
                Shape::Message
                    if !random.once_in(16) && wire::mutate(&mut input, other, random) => {}
                Shape::Text(words) if !random.once_in(3) => {
                    let words = if random.once_in(2) { words } else { &WORDS };
                    bytes::place_word(&mut input, words, random);
                }
                Shape::Bytes | Shape::Message | Shape::Text(_) => {
                    bytes::mutate(&mut input, other, random);
                }
            }
        }
        input
    }
}
