use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt as _,
    path::Path,
};

use super::header::Header;
use crate::{error::StoreError, state_machine::Image};

/// zstd's fastest ordinary level: a snapshot competes with writes for the processor.
const COMPRESSION_LEVEL: i32 = 1;
/// Written bytes are forced to the disk every so often, so that the last sync is short and the log's own syncs
/// never wait for a whole snapshot.
const SYNC_EVERY_BYTES: u64 = 4 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes a snapshot file to `path` and syncs it; its name is not synced yet.
pub(super) fn write_snapshot(
    path: &Path,
    mut header: Header,
    image: &dyn Image,
) -> Result<(), StoreError> {
    let file = File::create(path).map_err(StoreError::io("create", path))?;
    let head = header.encode();
    let written = write_body(&file, &head, image).map_err(StoreError::io("write", path))?;
    (header.body_bytes, header.body_hash) = written;
    file.write_all_at(&header.encode(), 0)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", path))
}

fn write_body(file: &File, head: &[u8], image: &dyn Image) -> io::Result<(u64, [u8; 32])> {
    let mut out = BodyWriter { file, hasher: blake3::Hasher::new(), bytes: 0, unsynced: 0 };
    // The place of the header, which is known once the body is.
    out.file.write_all(head)?;
    let mut encoder = zstd::Encoder::new(&mut out, COMPRESSION_LEVEL)?;
    {
        let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, &mut encoder);
        image.write_to(&mut buffered)?;
        buffered.flush()?;
    }
    encoder.finish()?;
    Ok((out.bytes, *out.hasher.finalize().as_bytes()))
}

struct BodyWriter<'a> {
    file: &'a File,
    hasher: blake3::Hasher,
    bytes: u64,
    unsynced: u64,
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        self.unsynced += count as u64;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
