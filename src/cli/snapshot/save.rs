use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use navarch_proto::api;

use super::{blocking, summary::Summary, unusable};
use crate::{
    cli::{failure::Failure, invocation::Invocation},
    client::CallOptions,
    ledger::read_saved,
};

const WHAT: &str = "save a snapshot";

/// `navarch snapshot save FILE`
#[derive(Clone, Debug, Args)]
pub(crate) struct SaveArguments {
    /// Where it goes
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Take what the replica that answers knows, which may lag; works without a leader
    #[arg(long)]
    stale: bool,
}

impl SaveArguments {
    pub(super) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        self.check_absent()?;
        let mut temporary = Temporary::create(&self.file)?;
        self.receive(&mut temporary, invocation).await?;
        temporary.sync()?;
        // What is kept was read back whole before it gets its name.
        let path = temporary.path.clone();
        let summary = blocking(move || {
            let (saved, fleet) = read_saved(&path).map_err(|error| unusable(&error))?;
            Ok(Summary::of(saved.info(), &fleet))
        });
        let summary = summary.await?;
        if self.force {
            temporary.rename(&self.file)?;
        } else {
            temporary.link(&self.file)?;
        }
        let file = self.file.display().to_string();
        let mut value = summary.value()?;
        value["file"] = file.clone().into();
        let text = format!("saved {file}: {}", summary.line());
        invocation.printer.result(&text, &file, &value)
    }

    fn check_absent(&self) -> Result<(), Failure> {
        if self.force || !self.file.exists() { Ok(()) } else { Err(exists(&self.file)) }
    }

    async fn receive(
        &self,
        temporary: &mut Temporary,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        let options = CallOptions { stale: self.stale, ..invocation.call_options() };
        let client = invocation.client()?;
        let opened = client.save_snapshot(api::SaveSnapshotRequest {}, &options).await;
        let mut pieces = opened.map_err(|error| Failure::from_call(WHAT, &error))?;
        loop {
            let piece = invocation.clock.timeout(options.timeout, pieces.message()).await;
            let silent = |_| {
                let timeout = options.timeout;
                Failure::refused(format!("cannot {WHAT}: nothing more came within {timeout:?}"))
            };
            match piece.map_err(silent)? {
                Ok(Some(piece)) => temporary.write(&piece.data)?,
                Ok(None) => return Ok(()),
                Err(status) => return Err(Failure::from_status(WHAT, &status)),
            }
        }
    }
}

fn exists(path: &Path) -> Failure {
    let message = format!("{} exists already; nothing was saved", path.display());
    Failure::refused(message).help("give another name, or replace it with --force")
}

/// The file while it is not whole, beside its final place; removed unless it is renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    fn create(target: &Path) -> Result<Self, Failure> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(failed("create", &path))?;
        Ok(Self { path, file, renamed: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    fn sync(&self) -> Result<(), Failure> {
        self.file.sync_all().map_err(failed("sync", &self.path))
    }

    /// Takes the place of whatever `target` holds: after a crash at any point it is the old or the new.
    fn rename(&mut self, target: &Path) -> Result<(), Failure> {
        fs::rename(&self.path, target).map_err(failed("rename a file to", target))?;
        self.renamed = true;
        Self::sync_name(target)
    }

    /// The same where nothing may be replaced, not even what has come in the meantime.
    fn link(&mut self, target: &Path) -> Result<(), Failure> {
        match fs::hard_link(&self.path, target) {
            // The temporary name goes with this value.
            Ok(()) => Self::sync_name(target),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(target)),
            // Not every file system has links.
            Err(_) => self.rename(target),
        }
    }

    fn sync_name(target: &Path) -> Result<(), Failure> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        File::open(parent).and_then(|file| file.sync_all()).map_err(failed("sync", parent))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // What made the command fail is what should be told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::refused(format!("cannot {what} {path}: {error}"))
}
