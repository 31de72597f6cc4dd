use bytes::{Buf as _, Bytes, BytesMut};
use tonic::Status;

/// Flags and length in front of a message, in gRPC and in Connect's streams: one byte, and four big-endian.
pub(super) const HEADER_BYTES: usize = 5;

/// The message is compressed.
pub(super) const COMPRESSED: u8 = 0b01;

/// The message ends a Connect stream.
pub(super) const END_STREAM: u8 = 0b10;

/// A buffer with room for a header, to which the message is to be appended.
pub(super) fn open(capacity: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(HEADER_BYTES.saturating_add(capacity));
    frame.resize(HEADER_BYTES, 0);
    frame
}

/// Fills the header of a buffer from [`open`].
pub(super) fn close(mut frame: BytesMut, flags: u8) -> Result<Bytes, Status> {
    let length = u32::try_from(frame.len().saturating_sub(HEADER_BYTES))
        .map_err(|_| Status::resource_exhausted("the message is longer than 4 GiB"))?;
    if let Some(header) = frame.get_mut(..HEADER_BYTES) {
        header[0] = flags;
        header[1..].copy_from_slice(&length.to_be_bytes());
    }
    Ok(frame.freeze())
}

/// One framed message.
pub(super) fn frame(message: &[u8], flags: u8) -> Result<Bytes, Status> {
    let mut frame = open(message.len());
    frame.extend_from_slice(message);
    close(frame, flags)
}

/// Takes framed messages out of a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next message with its flags, once it is complete.
    pub(super) fn next(&mut self, limit: usize) -> Result<Option<(u8, Bytes)>, Status> {
        let Some(&[flags, a, b, c, d]) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > limit {
            return Err(Status::resource_exhausted(format!(
                "a message of {length} bytes is longer than the limit of {limit} bytes"
            )));
        }
        if self.buffer.len() - HEADER_BYTES < length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some((flags, self.buffer.split_to(length).freeze())))
    }

    /// Whether no started message is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Without it a message that arrives in pieces, or two in one piece, would be torn.
        #[test]
        fn messages_survive_any_split(
            messages in prop::collection::vec((0_u8..4, prop::collection::vec(any::<u8>(), 0..50)), 0..6),
            pieces in prop::collection::vec(1_usize..20, 1..10),
        ) {
            let mut wire = Vec::new();
            for (flags, message) in &messages {
                wire.extend_from_slice(&frame(message, *flags).unwrap());
            }
            let mut deframer = Deframer::default();
            let mut seen = Vec::new();
            let mut rest = wire.as_slice();
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                deframer.push(now);
                while let Some((flags, message)) = deframer.next(50).unwrap() {
                    seen.push((flags, message.to_vec()));
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen, messages);
            prop_assert!(deframer.is_empty());
        }
    }

    /// Without it a wrong length would make the replica wait for, or hold, gigabytes.
    #[test]
    fn a_long_message_is_refused_by_its_header() {
        let mut deframer = Deframer::default();
        deframer.push(&[0, 0xff, 0xff, 0xff, 0xff]);
        let status = deframer.next(64).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
}
