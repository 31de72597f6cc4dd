use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

/// What every record begins with.
const MAGIC: u32 = 0x4e41_5653;

/// Bytes of a record before its name and data.
const HEAD: usize = 4 + 4 + 4 * 8 + 4 + 4;

/// One thing that a replica did to its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file, or for names the directory that they lie in.
    pub inode: u64,
    /// What was done.
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Bytes were written.
    Write {
        /// Where.
        offset: u64,
        /// How long the file was before, bytes.
        old_size: u64,
        /// What they replaced.
        old: Vec<u8>,
    },
    /// The file was cut, or made longer.
    Truncate {
        /// How long it is since, bytes.
        length: u64,
        /// How long it was before, bytes.
        old_size: u64,
        /// What was cut off.
        old: Vec<u8>,
    },
    /// A sync began.
    SyncBegins {
        /// Which.
        id: u64,
    },
    /// A sync has succeeded.
    SyncEnds {
        /// Which.
        id: u64,
    },
    /// A file was created.
    Create {
        /// Its name.
        path: PathBuf,
    },
    /// A file got another name.
    Rename {
        /// The name that it had.
        from: PathBuf,
        /// The name that it has.
        to: PathBuf,
        /// The number of the file that had this name before.
        kept: Option<u64>,
    },
    /// A file lost its name.
    Unlink {
        /// The name.
        path: PathBuf,
        /// The number of the file.
        kept: Option<u64>,
    },
    /// A directory was made.
    MakeDirectory {
        /// Its name.
        path: PathBuf,
    },
    /// A directory was removed.
    RemoveDirectory {
        /// Its name.
        path: PathBuf,
    },
}

impl Note {
    /// The first record of `bytes`, and the rest; `None` where no whole record lies there.
    pub(super) fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let head = bytes.get(..HEAD)?;
        let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let kind = (word(0)? == MAGIC).then(|| word(4))??;
        let (id, inode, offset, old_size) = (long(8)?, long(16)?, long(24)?, long(32)?);
        let name_end = HEAD + usize::try_from(word(40)?).ok()?;
        let end = name_end + usize::try_from(word(44)?).ok()?;
        let name = bytes.get(HEAD..name_end)?;
        let old = bytes.get(name_end..end)?.to_vec();
        let path = |name: &[u8]| PathBuf::from(OsStr::from_bytes(name));
        let kept = (id != 0).then_some(id);
        let deed = match kind {
            1 => Deed::Write { offset, old_size, old },
            2 => Deed::Truncate { length: offset, old_size, old },
            3 => Deed::SyncBegins { id },
            4 => Deed::SyncEnds { id },
            5 => Deed::Create { path: path(name) },
            6 => {
                let middle = name.iter().position(|&byte| byte == 0)?;
                let (from, to) = (path(&name[..middle]), path(&name[middle + 1..]));
                Deed::Rename { from, to, kept }
            }
            7 => Deed::Unlink { path: path(name), kept },
            8 => Deed::MakeDirectory { path: path(name) },
            9 => Deed::RemoveDirectory { path: path(name) },
            _ => return None,
        };
        Some((Self { inode, deed }, bytes.get(end..)?))
    }

    /// Whether it changed the names in a directory, not the bytes of a file.
    pub fn is_of_a_name(&self) -> bool {
        match self.deed {
            Deed::Write { .. }
            | Deed::Truncate { .. }
            | Deed::SyncBegins { .. }
            | Deed::SyncEnds { .. } => false,
            Deed::Create { .. }
            | Deed::Rename { .. }
            | Deed::Unlink { .. }
            | Deed::MakeDirectory { .. }
            | Deed::RemoveDirectory { .. } => true,
        }
    }

    /// Whether it is a mark of a sync, and changed nothing itself.
    pub fn is_of_a_sync(&self) -> bool {
        matches!(self.deed, Deed::SyncBegins { .. } | Deed::SyncEnds { .. })
    }
}
