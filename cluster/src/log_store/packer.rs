use std::io;

use zstd::bulk::Compressor;

use super::record::BODY_BYTES_MAX;

/// zstd's fastest ordinary level: about 1.5 us a KiB of nodes' registrations, which shrink to a fifth. The levels below
/// take two thirds of the time and leave a third.
const LEVEL: i32 = 1;
/// How far back matches may lie, as a power of two: 32 KiB. Records end at 85 KiB: all of that would double the
/// context's size and save nothing more.
const WINDOW_LOG: u32 = 15;
/// What compression must save at least, as a part of the body; for less it is not worth reading.
const SAVED_AT_LEAST: usize = 8;

/// Compresses the bodies of records. It is used where records are written, on the thread that owns the engine, one
/// after another: one context serves them all, about 190 KiB for as long as the log is open.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    from_bytes: usize,
}

impl Packer {
    /// Leaves bodies of fewer than `from_bytes` bytes alone.
    pub(super) fn new(from_bytes: usize) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.window_log(WINDOW_LOG)?;
        Ok(Self { compressor, from_bytes })
    }

    /// Appends `body` to `value` compressed, if that makes it smaller by enough; else leaves `value` as it is and
    /// returns false.
    pub(super) fn pack(&mut self, body: &[u8], value: &mut Vec<u8>) -> bool {
        // What a reader would refuse to decompress stays as it is.
        if body.len() < self.from_bytes || body.len() > BODY_BYTES_MAX {
            return false;
        }
        let start = value.len();
        value.resize(start + body.len() - body.len() / SAVED_AT_LEAST, 0);
        // It fails only for want of room, and then it would not save enough.
        let written = self.compressor.compress_to_buffer(body, &mut value[start..]);
        value.truncate(start + written.as_ref().map_or(0, |bytes| *bytes));
        written.is_ok()
    }
}
