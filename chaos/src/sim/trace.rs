use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Everything that happens in a run, as one hash: two runs of a seed that differ anywhere differ here. With a line of
/// text for each thing that is worth reading, if it is asked for.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    hasher: blake3::Hasher,
    events: u64,
    tells: bool,
    file: Option<BufWriter<File>>,
}

impl Trace {
    /// One that also tells on standard error what it is told to [`Trace::tell`], and writes all into `file`.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub(super) fn new(tells: bool, file: Option<&Path>) -> io::Result<Self> {
        let file = file.map(File::create).transpose()?.map(BufWriter::new);
        Ok(Self(Arc::new(Mutex::new(Inner { tells, file, ..Inner::default() }))))
    }

    /// Notes that something happened; of what is frequent.
    pub(super) fn note(&self, what: fmt::Arguments<'_>) {
        self.lock().write(now(), what);
    }

    /// Notes something that a person who reads the run wants to see.
    pub(super) fn tell(&self, what: fmt::Arguments<'_>) {
        self.tell_at(now(), what);
    }

    /// The same from outside of all hosts, where nobody but the caller knows the time.
    pub(super) fn tell_at(&self, at: Duration, what: fmt::Arguments<'_>) {
        let mut inner = self.lock();
        inner.write(at, what);
        if inner.tells {
            eprintln!("{:>9.3} s  {what}", at.as_secs_f64());
        }
    }

    /// The hash so far, and of how many events.
    pub(super) fn hash(&self) -> (String, u64) {
        let inner = self.lock();
        (inner.hasher.finalize().to_hex()[..16].to_owned(), inner.events)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        self.events += 1;
        let at = at.as_micros();
        if let Some(file) = &mut self.file {
            // The hash is what counts; a full disk shows as a short file.
            let _ = writeln!(file, "{at} {what}");
        }
        let mut sink = Sink(&mut self.hasher);
        // A hasher takes everything.
        let _ = fmt::Write::write_fmt(&mut sink, format_args!("{at} {what}\n"));
    }
}

/// Simulated time since the start.
pub(super) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

struct Sink<'a>(&'a mut blake3::Hasher);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        io::Write::write_all(self.0, text.as_bytes()).map_err(|_| fmt::Error)
    }
}
