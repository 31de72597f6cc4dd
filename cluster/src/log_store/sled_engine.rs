use std::{
    any::Any,
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{directory::sync_directory, error::StoreError};

/// sled's unit of writing and reuse, fixed for the life of a store; sled's own limit is 16 MiB.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// sled moves a page of more than a quarter of a segment to a file that it never syncs.
const PAGES_PER_SEGMENT: usize = 4;
/// A leaf splits above 16 records, and may hold up to 20 for a moment after a merge; with room to spare.
const RECORDS_PER_PAGE: usize = 24;
/// Key, record header and sled's own framing, for each record.
const RECORD_OVERHEAD_BYTES: usize = 128;
/// sled's page cache. The log that readers want is kept by our own cache; this one needs little beyond the
/// pages at the end.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Groups of fewer bytes stay uncompressed: a single small write would save some two hundred bytes for about 5 us,
/// beside what sled spends on each record anyway.
const PACK_FROM_BYTES: usize = 512;
const REWRITE_CHUNK_BYTES: usize = 1024 * 1024;
/// A store of this process that was just dropped holds sled's lock until sled's threads have let go of it.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How sled is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SledOptions {
    pub(crate) segment_bytes: usize,
    pub(crate) cache_bytes: u64,
    /// The smallest part of a group that is compressed.
    pub(crate) pack_from_bytes: usize,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            cache_bytes: CACHE_BYTES,
            pack_from_bytes: PACK_FROM_BYTES,
        }
    }
}

impl SledOptions {
    /// The largest body of one record, so that no page ever becomes a blob file.
    pub(super) fn record_bytes_max(&self) -> usize {
        self.segment_bytes / PAGES_PER_SEGMENT / RECORDS_PER_PAGE - RECORD_OVERHEAD_BYTES
    }
}

/// An open sled database that has been brought to the disk, and the file to sync.
pub(super) struct SledEngine {
    pub(super) database: sled::Db,
    pub(super) file: File,
}

impl SledEngine {
    /// Opens or creates sled in `directory`. Unless the store was `closed` in order, what a former process
    /// left is first written again and synced: after a failed sync the page cache gives back what never
    /// reached the disk.
    pub(super) fn open(
        directory: &Path,
        options: SledOptions,
        closed: bool,
    ) -> Result<Self, StoreError> {
        let path = directory.join("db");
        if path.exists() && !closed {
            rewrite(&path)?;
        }
        let config = sled::Config::new()
            .path(directory)
            .segment_size(options.segment_bytes)
            .cache_capacity(options.cache_bytes)
            .mode(sled::Mode::HighThroughput)
            // The background thread syncs late and only logs a failure; every batch is flushed by its writer.
            .flush_every_ms(None);
        let database = open_when_unlocked(directory, &config)?;
        sync_files(directory)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        Ok(Self { database, file })
    }
}

/// sled's errors as ours: what it finds wrong with its files is damage, the rest is a refusal.
pub(super) fn engine_error(
    action: &'static str,
    directory: &Path,
) -> impl FnOnce(sled::Error) -> StoreError {
    let path = directory.to_owned();
    move |source| match source {
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_) => {
            StoreError::damaged(path, format!("sled reports: {source}"))
        }
        sled::Error::Io(_) | sled::Error::Unsupported(_) => {
            StoreError::Engine { action, path, source }
        }
    }
}

/// sled panics on some damaged files; here a panic becomes an error.
pub(super) fn without_panic<T>(
    directory: &Path,
    body: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let what = format!("sled gave up on it: {}", panic_text(panic.as_ref()));
        Err(StoreError::damaged(directory, what))
    })
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

fn open_when_unlocked(directory: &Path, config: &sled::Config) -> Result<sled::Db, StoreError> {
    let mut attempts = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && attempts < LOCK_ATTEMPTS =>
            {
                attempts += 1;
                thread::park_timeout(LOCK_PAUSE);
            }
            opened => return opened.map_err(engine_error("open", directory)),
        }
    }
}

fn rewrite(path: &PathBuf) -> Result<(), StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(StoreError::io("open", path))?;
    let mut chunk = vec![0; REWRITE_CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset).map_err(StoreError::io("read", path))?;
        if count == 0 {
            break;
        }
        file.write_all_at(&chunk[..count], offset).map_err(StoreError::io("write", path))?;
        offset += count as u64;
    }
    file.sync_all().map_err(StoreError::io("sync", path))
}

/// sled leaves its configuration, its recovery snapshot and the names of its files unsynced.
fn sync_files(directory: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::io("list", directory))?;
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", directory))?.path();
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::io("sync", &path))?;
    }
    sync_directory(directory)
}
