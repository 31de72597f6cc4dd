use prost::encoding::{decode_varint, encode_varint};

use crate::{
    bytes::{self, NUMBERS},
    random::Random,
};

/// How deep a message is looked into.
const DEPTH: usize = 12;

/// A field of a message, as its encoding alone tells.
#[derive(Clone, Debug)]
struct Field {
    number: u64,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    /// Text or bytes, or a message that is too deep.
    Bytes(Vec<u8>),
    /// Bytes that can be read as one.
    Message(Vec<Field>),
}

/// Changes a field, somewhere in the message that `input` is, and puts all lengths around it right; false if it is
/// no message. `other` is a message that fields are taken from.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) -> bool {
    let Some(mut fields) = parse(input, DEPTH).filter(|fields| !fields.is_empty()) else {
        return false;
    };
    let others = parse(other, DEPTH).unwrap_or_default();
    change(&mut fields, &others, random);
    input.clear();
    encode(&fields, input);
    true
}

fn change(fields: &mut Vec<Field>, others: &[Field], random: &mut Random) {
    let at = random.below(fields.len());
    let number = fields[at].number;
    let alike: Vec<&Field> = others.iter().filter(|other| other.number == number).collect();
    let alike = random.of(&alike).copied();
    if let Value::Message(inner) = &mut fields[at].value
        && !inner.is_empty()
        && !random.once_in(5)
    {
        let inner_others = match alike.map(|field| &field.value) {
            Some(Value::Message(others)) => others.as_slice(),
            _ => &[],
        };
        return change(inner, inner_others, random);
    }
    match random.below(8) {
        0 => drop(fields.remove(at)),
        1 => fields.insert(at, fields[at].clone()),
        2 => {
            let to = random.below(fields.len());
            fields.swap(at, to);
        }
        3 => {
            if let Some(alike) = alike {
                fields[at] = alike.clone();
            }
        }
        4 => {
            if let Some(stranger) = random.of(others) {
                fields.insert(at, stranger.clone());
            }
        }
        5 if random.once_in(3) => fields[at].number = 1 + random.next() % 40,
        _ => replace(&mut fields[at].value, alike.map(|field| &field.value), random),
    }
}

fn replace(value: &mut Value, alike: Option<&Value>, random: &mut Random) {
    match value {
        Value::Varint(number) => {
            *number = match random.below(5) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                2 => random.next() >> random.below(64),
                _ => random.of(&NUMBERS).copied().unwrap_or(0),
            };
        }
        Value::Fixed64(bytes) => *bytes = double(random).to_le_bytes(),
        #[allow(clippy::cast_possible_truncation, reason = "what is lost does not matter")]
        Value::Fixed32(bytes) => *bytes = (double(random) as f32).to_le_bytes(),
        Value::Bytes(bytes) => replace_bytes(bytes, alike, random),
        Value::Message(_) => *value = Value::Bytes(Vec::new()),
    }
}

fn double(random: &mut Random) -> f64 {
    let numbers =
        [0.0, -0.0, 1.0, -1.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e-300];
    match random.once_in(3) {
        true => f64::from_bits(random.next()),
        false => random.of(&numbers).copied().unwrap_or(0.0),
    }
}

fn replace_bytes(text: &mut Vec<u8>, alike: Option<&Value>, random: &mut Random) {
    match random.below(7) {
        0 => text.clear(),
        1 => *text = vec![b'x'; [64, 129, 257, 1_025, 5_000, 70_000][random.below(6)]],
        2 => text.push(b'\n'),
        3 => text.extend_from_slice("\u{0}\u{202e}\u{1f600}".as_bytes()),
        4 => text.push(0xff),
        5 => {
            if let Some(Value::Bytes(other)) = alike {
                text.clone_from(other);
            }
        }
        _ => bytes::mutate(text, b"a m0 i1 c1", random),
    }
}

fn parse(mut rest: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = decode_varint(&mut rest).ok()?;
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        let value = match key & 7 {
            0 => Value::Varint(decode_varint(&mut rest).ok()?),
            1 => Value::Fixed64(array(&mut rest)?),
            2 => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (inner, after) = rest.split_at_checked(length)?;
                rest = after;
                let message = match depth {
                    0 => None,
                    _ => parse(inner, depth - 1).filter(|fields| !fields.is_empty()),
                };
                message.map_or_else(|| Value::Bytes(inner.to_vec()), Value::Message)
            }
            5 => Value::Fixed32(array(&mut rest)?),
            _ => return None,
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

fn encode(fields: &[Field], out: &mut Vec<u8>) {
    for Field { number, value } in fields {
        let mut key = |kind| encode_varint(number << 3 | kind, out);
        match value {
            Value::Varint(number) => {
                key(0);
                encode_varint(*number, out);
            }
            Value::Fixed64(bytes) => {
                key(1);
                out.extend_from_slice(bytes);
            }
            Value::Fixed32(bytes) => {
                key(5);
                out.extend_from_slice(bytes);
            }
            Value::Bytes(bytes) => {
                key(2);
                encode_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Value::Message(fields) => {
                key(2);
                let mut inner = Vec::new();
                encode(fields, &mut inner);
                encode_varint(inner.len() as u64, out);
                out.append(&mut inner);
            }
        }
    }
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1: 150, 2: "name", 3: {1: 1.5, 2: {1: 7}}`.
    const MESSAGE: [u8; 23] =
        [8, 150, 1, 18, 4, b'n', b'a', b'm', b'e', 26, 12, 9, 0, 0, 0, 0, 0, 0, 248, 63, 16, 7, 0];

    /// Without it mutations would end at the first length, and nothing within a message would ever be reached.
    #[test]
    fn a_changed_message_is_still_one() {
        let message = &MESSAGE[..MESSAGE.len() - 1];
        let message: Vec<u8> = [&message[..9], &[26, 11], &message[11..]].concat();
        let fields = parse(&message, DEPTH).unwrap();
        let mut again = Vec::new();
        encode(&fields, &mut again);
        assert_eq!(again, message);
        let mut random = Random::new(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2_000 {
            let mut input = message.clone();
            assert!(mutate(&mut input, &message, &mut random));
            assert!(parse(&input, DEPTH).is_some(), "{input:?}");
            seen.insert(input);
        }
        assert!(seen.len() > 200, "{}", seen.len());
    }
}
