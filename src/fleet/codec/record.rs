use std::io;

use crate::ids::IdError;

/// Why a snapshot cannot be restored. The state that was to be replaced is untouched.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It ends before its last item.
    #[error("the snapshot ends after {items} items, before its trailer; take another")]
    CutOff {
        /// Items that were read.
        items: u64,
    },
    /// The item's length is no length.
    #[error("item {item} of the snapshot is {length} bytes long; the limit is {limit}")]
    ItemTooLong {
        /// Its place, from 0.
        item: u64,
        /// The length that stands there.
        length: u64,
        /// The longest that there can be.
        limit: usize,
    },
    /// The item is no item.
    #[error("item {item} of the snapshot does not decode: {message}")]
    Undecodable {
        /// Its place, from 0.
        item: u64,
        /// What the decoder says.
        message: String,
    },
    /// A newer build wrote it.
    #[error("the snapshot has format {format}; this build knows {known}, upgrade this replica")]
    UnknownFormat {
        /// Its format.
        format: u32,
        /// The format that this build knows.
        known: u32,
    },
    /// An item stands where none of its kind may.
    #[error("item {item} of the snapshot is out of place: {message}")]
    Misplaced {
        /// Its place, from 0.
        item: u64,
        /// What is wrong with it.
        message: String,
    },
    /// A record holds what no record can.
    #[error("item {item} of the snapshot is not valid: {message}")]
    Invalid {
        /// Its place, from 0.
        item: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// A record holds what no record can.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Id(#[from] IdError),
    #[error("{field} is {value}, which this build does not know")]
    UnknownValue { field: &'static str, value: i32 },
    #[error("{0}")]
    Other(String),
}

/// An enum's value that this build knows.
pub(super) fn known<T: TryFrom<i32>>(field: &'static str, value: i32) -> Result<T, RecordError> {
    T::try_from(value).map_err(|_| RecordError::UnknownValue { field, value })
}

/// An id that may be absent, which is the empty text.
pub(super) fn optional_id<T>(
    text: &str,
    make: impl FnOnce(&str) -> Result<T, IdError>,
) -> Result<Option<T>, RecordError> {
    if text.is_empty() { Ok(None) } else { Ok(Some(make(text)?)) }
}

/// The text of an id that may be absent.
pub(super) fn text_of<T: ToString>(id: Option<&T>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}
