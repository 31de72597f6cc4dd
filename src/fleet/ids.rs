use std::{borrow::Borrow, fmt, sync::Arc};

use crate::limits::MAX_ID_BYTES;

/// Why a text cannot serve as an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{word} is empty; give one of 1 to {MAX_ID_BYTES} bytes")]
    Empty {
        /// What the text was meant to be, like `node id`.
        word: &'static str,
    },
    /// More than [`MAX_ID_BYTES`] bytes.
    #[error("{word} is {length} bytes long; the limit is {MAX_ID_BYTES}, give a shorter one")]
    TooLong {
        /// What the text was meant to be.
        word: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A control character, which would garble every table and log line that shows the text.
    #[error("{word} holds the control character U+{character:04X} at byte {position}; remove it")]
    ControlCharacter {
        /// What the text was meant to be.
        word: &'static str,
        /// The character's code point.
        character: u32,
        /// Where it stands, in bytes from the start.
        position: usize,
    },
}

/// Checks a text that may be empty: at most [`MAX_ID_BYTES`] bytes, no control characters.
pub(crate) fn check_text(word: &'static str, text: &str) -> Result<(), IdError> {
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong { word, length: text.len() });
    }
    match text.char_indices().find(|(_, character)| character.is_control()) {
        Some((position, character)) => {
            Err(IdError::ControlCharacter { word, character: character.into(), position })
        }
        None => Ok(()),
    }
}

/// Checks a text that names something: as [`check_text`], and not empty.
fn check_id(word: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { word });
    }
    check_text(word, text)
}

macro_rules! string_id {
    ($(#[$documentation:meta])* $name:ident, $word:literal) => {
        $(#[$documentation])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes 1 to 256 bytes without control characters.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check_id($word, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }
    };
}

string_id!(
    /// A GPU machine as its agent calls it: the provider's own id of the machine, where there is one.
    NodeId,
    "node id"
);
string_id!(
    /// Our id of a rented machine, minted before the purchase. One id is one order, for ever.
    InstanceId,
    "instance id"
);
string_id!(
    /// The name of a pool.
    PoolName,
    "pool name"
);
string_id!(
    /// The name under which a provider is configured.
    ProviderName,
    "provider name"
);
string_id!(
    /// The provider's own id of a machine.
    ProviderRef,
    "provider reference"
);
string_id!(
    /// The id of an order to a node's agent.
    CommandId,
    "command id"
);

macro_rules! shared_id {
    ($name:ident, $word:literal) => {
        impl $name {
            /// As [`Self::new`], on a text that other records share.
            pub(crate) fn shared(text: Arc<str>) -> Result<Self, IdError> {
                check_id($word, &text)?;
                Ok(Self(text))
            }
        }
    };
}

shared_id!(PoolName, "pool name");
shared_id!(ProviderName, "provider name");

macro_rules! number {
    ($(#[$documentation:meta])* $name:ident($inner:ty)) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

number!(
    /// How digests name a node: small, and never used again for another.
    NodeNumber(u32)
);
number!(
    /// One leader's tenure: the log index of its opening entry. 0: none was ever opened.
    SessionId(u64)
);
number!(
    /// A record's change counter, from 1.
    Revision(u64)
);

impl Revision {
    /// The one after it.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Without these bounds a client could store 10 MB ids or break every log line.
    #[rstest]
    #[case::plain("node-1", true)]
    #[case::unicode("knoten-ä", true)]
    #[case::longest(&"x".repeat(256), true)]
    #[case::empty("", false)]
    #[case::too_long(&"x".repeat(257), false)]
    #[case::nul("a\0b", false)]
    #[case::newline("a\nb", false)]
    #[case::c1("a\u{85}b", false)]
    fn ids_are_bounded(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(NodeId::new(text).is_ok(), valid);
        assert_eq!(PoolName::shared(Arc::from(text)).is_ok(), valid);
    }

    /// A message that hides the limit leaves the caller guessing.
    #[test]
    fn errors_name_value_and_limit() {
        let message = CommandId::new(&"x".repeat(300)).unwrap_err().to_string();
        assert_eq!(message, "command id is 300 bytes long; the limit is 256, give a shorter one");
    }
}
