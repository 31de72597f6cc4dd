use crate::random::Random;

/// Numbers at which lengths and sums go wrong.
pub(crate) const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x20_0000_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Longest run of bytes that one mutation copies or invents.
const RUN: usize = 64;
/// No input grows beyond this.
const MOST: usize = 256 * 1024;

/// Changes `input` in one way; `other` is what a part may be taken from.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.byte();
            }
        }
        2 => overwrite(input, at, random),
        3 => {
            let run: Vec<u8> = (0..=random.below(16)).map(|_| random.byte()).collect();
            insert(input, at, &run);
        }
        4 => input.truncate(at),
        5 => {
            let end = (at + 1 + random.below(RUN)).min(input.len());
            input.drain(at..end);
        }
        6 => {
            let end = (at + 1 + random.below(RUN)).min(input.len());
            let run = input[at..end].to_vec();
            insert(input, at, &run.repeat(1 + random.below(4)));
        }
        7 => {
            let from = random.below(other.len() + 1);
            let end = (from + 1 + random.below(RUN)).min(other.len());
            insert(input, at, &other[from..end]);
        }
        _ => {
            let from = random.below(other.len() + 1);
            input.truncate(at);
            insert(input, at, &other[from..]);
        }
    }
}

/// Puts one of `words` into `input`, or in the place of what stands there up to the next space or sign.
pub(crate) fn place_word(input: &mut Vec<u8>, words: &[&str], random: &mut Random) {
    let Some(word) = random.of(words) else { return };
    let at = random.below(input.len() + 1);
    if random.once_in(2) {
        let rest = input[at..].iter();
        let length = rest.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        input.drain(at..at + length);
    }
    insert(input, at, word.as_bytes());
}

fn insert(input: &mut Vec<u8>, at: usize, run: &[u8]) {
    if input.len() + run.len() <= MOST {
        input.splice(at..at, run.iter().copied());
    }
}

/// Writes one of [`NUMBERS`] over what is there, in either order of bytes.
fn overwrite(input: &mut [u8], at: usize, random: &mut Random) {
    let number = random.of(&NUMBERS).copied().unwrap_or(0);
    let width = [1, 2, 4, 8][random.below(4)];
    let mut bytes = number.to_le_bytes();
    let bytes = &mut bytes[..width];
    if random.once_in(2) {
        bytes.reverse();
    }
    if let Some(place) = input.get_mut(at..at + width) {
        place.copy_from_slice(bytes);
    }
}
