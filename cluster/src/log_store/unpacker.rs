use std::io;

use zstd::bulk::Decompressor;

use super::record::BODY_BYTES_MAX;

/// Decompresses the bodies of records. Its context, about 95 KiB, is made for the first of them and serves one scan.
#[derive(Default)]
pub(super) struct Unpacker {
    decompressor: Option<Decompressor<'static>>,
}

impl Unpacker {
    /// What `packed` holds; refused, before room is made for it, if it says that it holds more than a body may, and
    /// where that room ends if it holds more than it says.
    pub(super) fn unpack(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        let decompressor = self.decompressor.get_or_insert_with(Decompressor::default);
        decompressor.decompress(packed, BODY_BYTES_MAX)
    }
}
