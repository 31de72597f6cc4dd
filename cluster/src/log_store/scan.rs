use std::iter::Peekable;

use bytes::Bytes;
use sled::IVec;

use super::{record, unpacker::Unpacker};

/// Reads groups out of sled in the order of their keys.
pub(super) struct GroupScan {
    records: Peekable<sled::Iter>,
    unpacker: Unpacker,
}

/// All records that stand under one first index.
pub(super) struct ScannedGroup {
    pub(super) first_index: u64,
    /// How many records there are, whole or not.
    pub(super) keys: u16,
    /// The group's encoding, or what is wrong with it.
    pub(super) content: Result<Bytes, String>,
}

impl GroupScan {
    pub(super) fn new(records: sled::Iter) -> Self {
        Self { records: records.peekable(), unpacker: Unpacker::default() }
    }

    /// The next group; an error if sled cannot read on or holds a key that is none of ours.
    pub(super) fn next_group(&mut self) -> Result<Option<ScannedGroup>, ScanError> {
        let Some(first_index) = self.peek_index()? else {
            return Ok(None);
        };
        let mut values = Vec::new();
        while self.peek_index()? == Some(first_index) {
            if let Some(record) = self.records.next() {
                let (key, value) = record?;
                let (_, part) = record::parse_key(&key).ok_or(ScanError::ForeignKey)?;
                values.push((part, value));
            }
        }
        Ok(Some(ScannedGroup {
            first_index,
            keys: u16::try_from(values.len()).unwrap_or(u16::MAX),
            content: join(&values, &mut self.unpacker),
        }))
    }

    /// The first index of the group that comes next.
    pub(super) fn peek_index(&mut self) -> Result<Option<u64>, ScanError> {
        match self.records.peek() {
            None => Ok(None),
            Some(Ok((key, _))) => match record::parse_key(key) {
                Some((index, _)) => Ok(Some(index)),
                None => Err(ScanError::ForeignKey),
            },
            Some(Err(error)) => Err(ScanError::Engine(error.clone())),
        }
    }
}

/// Why a scan cannot go on.
#[derive(Debug)]
pub(super) enum ScanError {
    Engine(sled::Error),
    ForeignKey,
}

impl From<sled::Error> for ScanError {
    fn from(error: sled::Error) -> Self {
        Self::Engine(error)
    }
}

fn join(values: &[(u16, IVec)], unpacker: &mut Unpacker) -> Result<Bytes, String> {
    let mut parts = None;
    let mut encoded = Vec::with_capacity(values.iter().map(|(_, value)| value.len()).sum());
    for (expected, (number, value)) in (0u16..).zip(values) {
        if *number != expected {
            return Err(format!("part {expected} of a record is missing"));
        }
        let part = record::open(*number, value, unpacker)?;
        parts = Some(part.parts);
        encoded.extend_from_slice(&part.body);
    }
    // The entries share these bytes for as long as they live.
    encoded.shrink_to_fit();
    match parts {
        Some(parts) if usize::from(parts) == values.len() => Ok(Bytes::from(encoded)),
        Some(parts) => Err(format!("{} of {parts} parts of a record are there", values.len())),
        None => Err("a record is empty".to_owned()),
    }
}
