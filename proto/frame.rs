//! A message as gRPC carries it: a flag, a length, the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// Largest message in either direction, bytes: the limit of the wire contract.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Compressed flag (1 byte) and length (4 bytes, big-endian) before every gRPC message.
pub const PREFIX: usize = 5;

/// Largest message with its prefix, bytes.
pub const MAX_FRAME: usize = MAX_MESSAGE + PREFIX;

/// `message` with its gRPC prefix; `Err` is its size when that is over [`MAX_MESSAGE`].
pub fn encode<M: Message>(message: &M) -> Result<Bytes, usize> {
    let size = message.encoded_len();
    let length = match u32::try_from(size) {
        Ok(length) if size <= MAX_MESSAGE => length,
        _ => return Err(size),
    };
    let mut buffer = BytesMut::with_capacity(PREFIX + size);
    buffer.put_u8(0);
    buffer.put_u32(length);
    message.encode_raw(&mut buffer);
    Ok(buffer.freeze())
}

/// The one message in `body`, which is a whole unary request or answer. `Err` says what is wrong.
pub fn decode<M: Message + Default>(mut body: impl Buf) -> Result<M, String> {
    if body.remaining() < PREFIX {
        return Err(format!("{} bytes where a message was due", body.remaining()));
    }
    if body.get_u8() != 0 {
        return Err("a compressed message, which is not taken".to_owned());
    }
    let length = body.get_u32();
    if usize::try_from(length) != Ok(body.remaining()) {
        return Err(format!("a message of {length} bytes in {}", body.remaining()));
    }
    M::decode(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use navarch_fuzz::Target;
    use proptest::prelude::*;

    use super::*;
    use crate::api;

    proptest! {
        /// Without it a message might not survive its own framing.
        #[test]
        fn what_was_encoded_is_decoded(node_id in ".{0,200}") {
            let request = api::GetNodeRequest { node_id };
            let body = encode(&request).unwrap();
            prop_assert_eq!(decode::<api::GetNodeRequest>(body).unwrap(), request);
        }
    }

    /// Without it bytes from a stranger could end the process, or be held for a message that they are not.
    #[test]
    fn fuzz_frames_are_decoded_or_refused() {
        let gpu = api::GpuInfo { uuid: "GPU-1".to_owned(), index: 1, ..Default::default() };
        let node = api::NodeInfo {
            node_id: "m0".to_owned(),
            gpus: vec![gpu; 2],
            revision: 7,
            ..Default::default()
        };
        let target = Target::bytes("frame").seed(encode(&node).unwrap());
        let target =
            target.seed(encode(&api::GetNodeRequest { node_id: "m0".to_owned() }).unwrap());
        target.check(|body| {
            let Ok(node) = decode::<api::NodeInfo>(body) else { return };
            assert_eq!(encode(&node).unwrap().len(), PREFIX + node.encoded_len());
        });
    }
}
