use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use navarch_host::{Clock, Spawner};
use navarch_proto::{
    api::{HealthEvent, HealthEventType, HealthWatchSystem},
    timestamp::from_unix_ms,
};

use super::{
    line::Line,
    reader::{Look, Reader},
    xid::Xid,
};
use crate::agent::{
    AgentError,
    gpu::GpuMap,
    outbox::{NotAdded, Outbox, Position},
};

/// Between two looks at a log in which nothing is new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Before a log that could not be read is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(10);

/// Whether XIDs are seen in the kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum LogWatch {
    /// Nobody asked for it.
    Off,
    /// It is read; so many lines were overwritten before they could be.
    Watching { lost: u64 },
    /// It cannot be read, and why.
    Blind(String),
}

/// Follows the kernel log until it is dropped.
pub(in crate::agent) struct KernelLog {
    watch: Arc<Mutex<LogWatch>>,
    /// Its end ends the thread.
    _stop: Option<SyncSender<()>>,
}

/// What the thread works with.
struct Follower {
    path: PathBuf,
    proc_dir: PathBuf,
    clock: Clock,
    gpus: Arc<GpuMap>,
    outbox: Arc<Outbox>,
    watch: Arc<Mutex<LogWatch>>,
    position: Option<Position>,
    /// When the log was last found to hold nothing new, milliseconds since the Unix epoch.
    caught_up_ms: Option<u64>,
}

/// Which log, and whom to tell.
pub(in crate::agent) struct LogOptions {
    pub(in crate::agent) path: PathBuf,
    pub(in crate::agent) proc_dir: PathBuf,
    pub(in crate::agent) gpus: Arc<GpuMap>,
    pub(in crate::agent) outbox: Arc<Outbox>,
}

impl KernelLog {
    /// No log is followed.
    pub(in crate::agent) fn off() -> Self {
        Self { watch: Arc::new(Mutex::new(LogWatch::Off)), _stop: None }
    }

    /// Starts the thread.
    pub(in crate::agent) fn follow(
        LogOptions { path, proc_dir, gpus, outbox }: LogOptions,
        clock: &Clock,
        spawner: &dyn Spawner,
    ) -> Result<Self, AgentError> {
        let watch = Arc::new(Mutex::new(LogWatch::Blind("it has not been opened yet".to_owned())));
        let (stop, stopped) = sync_channel(0);
        let follower = Follower {
            path,
            proc_dir,
            clock: clock.clone(),
            gpus,
            position: outbox.position(),
            outbox,
            watch: Arc::clone(&watch),
            caught_up_ms: None,
        };
        let body = move || follower.run(&stopped);
        spawner.thread("kernel log", Box::new(body)).map_err(AgentError::Thread)?;
        Ok(Self { watch, _stop: Some(stop) })
    }

    pub(in crate::agent) fn watch(&self) -> LogWatch {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Follower {
    fn run(mut self, stopped: &Receiver<()>) {
        if self.follow(stopped).is_err() {
            // Where it was left nothing is forgotten: the next agent goes on from there.
            self.tell(LogWatch::Blind("the thread that keeps health events has ended".to_owned()));
        }
    }

    /// Until the log is dropped, or what is seen in it can no longer be kept.
    fn follow(&mut self, stopped: &Receiver<()>) -> Result<(), NotAdded> {
        let waits = |duration| stopped.recv_timeout(duration) == Err(RecvTimeoutError::Timeout);
        let mut lost = 0;
        loop {
            match Reader::open(&self.path, &self.proc_dir, self.position.as_ref()) {
                Ok(mut reader) => {
                    self.opened(&reader)?;
                    self.tell(LogWatch::Watching { lost });
                    let failed = loop {
                        let now_ms = self.clock.wall_ms();
                        match reader.look() {
                            Ok(look) => {
                                lost += look.lost;
                                let more = look.more;
                                self.take(look, lost)?;
                                if !more {
                                    self.caught_up_ms = Some(now_ms);
                                    if !waits(LOOK_EVERY) {
                                        return Ok(());
                                    }
                                }
                            }
                            Err(error) => break error,
                        }
                    };
                    self.position = Some(reader.position().clone());
                    self.tell(LogWatch::Blind(failed.to_string()));
                }
                Err(error) => self.tell(LogWatch::Blind(error.to_string())),
            }
            if !waits(REOPEN_AFTER) {
                return Ok(());
            }
        }
    }

    fn opened(&mut self, reader: &Reader) -> Result<(), NotAdded> {
        if self.position.is_some() {
            return Ok(());
        }
        // Remembered before anything is seen: what comes while the agent is away is news to the next one.
        self.outbox.add_from_log(Vec::new(), reader.position().clone())
    }

    fn take(&mut self, look: Look, lost: u64) -> Result<(), NotAdded> {
        if look.lost > 0 {
            tracing::warn!(lines = look.lost, "the kernel log was overwritten before it was read");
            self.tell(LogWatch::Watching { lost });
        }
        let mut events = Vec::new();
        let mut last = None;
        for (position, line) in look.lines {
            if let Some(event) = self.event(&position, &line) {
                events.push(event);
                last = Some(position);
            }
        }
        let Some(position) = last else { return Ok(()) };
        self.position = Some(position.clone());
        self.outbox.add_from_log(events, position)
    }

    fn event(&self, position: &Position, line: &Line) -> Option<HealthEvent> {
        let xid = Xid::read(&line.text).filter(|_| line.from_kernel)?;
        let (gpu_index, gpu_uuid) = self.gpus.at(xid.address).unwrap_or((-1, String::new()));
        tracing::warn!(
            code = xid.code,
            gpu = gpu_index,
            detail = xid.detail,
            "XID in the kernel log"
        );
        Some(HealthEvent {
            timestamp: Some(from_unix_ms(self.wall_ms(line))),
            gpu_index,
            gpu_uuid,
            system: HealthWatchSystem::Driver.into(),
            event_type: HealthEventType::Xid.into(),
            metrics: [("xid_code".to_owned(), xid.code.to_string())].into(),
            message: format!("XID {}: {}", xid.code, xid.detail),
            event_id: id_of(position),
        })
    }

    /// When the line was written. Its own time counts from boot, by a clock that nobody sets right and that is seconds
    /// off after weeks; a line that was not there at the last look was written since.
    fn wall_ms(&self, line: &Line) -> u64 {
        let now_ms = self.clock.wall_ms();
        let earliest_ms = self.caught_up_ms.unwrap_or(0).min(now_ms);
        let uptime = fs::read_to_string(self.proc_dir.join("uptime")).unwrap_or_default();
        let uptime_s: Option<f64> =
            uptime.split_whitespace().next().and_then(|text| text.parse().ok());
        let (Some(at_us), Some(uptime_s)) = (line.at_us, uptime_s) else {
            return now_ms;
        };
        let up = Duration::try_from_secs_f64(uptime_s.max(0.0)).unwrap_or_default();
        let up_ms = u64::try_from(up.as_millis()).unwrap_or(0);
        let own_ms = now_ms.saturating_sub(up_ms.saturating_sub(at_us / 1_000));
        own_ms.clamp(earliest_ms, now_ms)
    }

    fn tell(&self, watch: LogWatch) {
        let mut told = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if let (LogWatch::Blind(reason), true) = (&watch, *told != watch) {
            tracing::warn!(path = %self.path.display(), reason, "the kernel log is not read");
        }
        *told = watch;
    }
}

/// The same line has the same id, however often it is read.
fn id_of(position: &Position) -> String {
    let digest = blake3::hash(format!("{}\n{}", position.log, position.next).as_bytes());
    format!("kmsg-{}-{}", &digest.to_hex()[..16], position.next)
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _, path::Path};

    use navarch_host::SystemSpawner;
    use navarch_proto::api::GpuInfo;

    use super::*;
    use crate::agent::{outbox::OutboxBounds, state_dir::StateDir};

    struct Node {
        directory: tempfile::TempDir,
    }

    impl Node {
        async fn start(&self, state: &str) -> (Arc<Outbox>, KernelLog) {
            let (clock, spawner) = (Clock::system(), SystemSpawner::current());
            let state = self.directory.path().join(state);
            let claim = StateDir::claim(&state, &clock).await.unwrap();
            let outbox = Outbox::open(Some(claim), OutboxBounds::default(), &clock, &*spawner);
            let outbox = Arc::new(outbox.unwrap());
            let gpus = Arc::new(GpuMap::default());
            gpus.learn(&[GpuInfo {
                index: 3,
                uuid: "GPU-3".to_owned(),
                pci_bus_id: "00000000:65:00.0".to_owned(),
                ..GpuInfo::default()
            }]);
            let (path, proc_dir) = (self.log(), PathBuf::from("/proc"));
            let options = LogOptions { path, proc_dir, gpus, outbox: Arc::clone(&outbox) };
            let log = KernelLog::follow(options, &clock, &*spawner).unwrap();
            (outbox, log)
        }

        fn log(&self) -> PathBuf {
            self.directory.path().join("kmsg")
        }

        fn write(&self, text: &str) {
            let log: &Path = &self.log();
            let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    async fn until(what: &str, mut ready: impl FnMut() -> bool) {
        for _ in 0..2_000 {
            if ready() {
                return;
            }
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
        panic!("not within 10 s: {what}");
    }

    fn seconds_now() -> i64 {
        i64::try_from(Clock::system().wall_ms() / 1_000).unwrap()
    }

    fn uptime_s() -> i64 {
        let text = fs::read_to_string("/proc/uptime").unwrap();
        text.split('.').next().unwrap().parse().unwrap()
    }

    fn fallen(gpu: &str) -> String {
        format!("3,77,12,-;NVRM: Xid (PCI:0000:{gpu}:00): 79, pid=1, GPU has fallen off the bus.\n")
    }

    /// Without it an XID would be lost because the agent was away, counted against no GPU, or told twice.
    #[tokio::test]
    async fn xids_are_told_once_over_restarts() {
        let node = Node { directory: tempfile::tempdir().unwrap() };
        node.write(&fallen("65"));
        let (outbox, log) = node.start("state").await;
        until("the watch", || log.watch() == LogWatch::Watching { lost: 0 }).await;
        // What a program writes is not the driver's word.
        node.write("11,78,12,-;NVRM: Xid (PCI:0000:65:00): 79, pretended\n");
        node.write(&fallen("65"));
        until("the XID", || outbox.counts().0 == 1).await;
        let event = outbox.batch(10).unwrap().events.remove(0);
        let seconds = |event: &HealthEvent| event.timestamp.as_ref().unwrap().seconds;
        let ago_s = |event: &HealthEvent| seconds_now() - seconds(event);
        assert!(ago_s(&event) < 30, "written since the last look, whatever clock it bears");
        assert_eq!((event.gpu_index, &*event.gpu_uuid), (3, "GPU-3"));
        assert_eq!(event.metrics["xid_code"], "79");
        assert!(event.message.contains("fallen off"), "{}", event.message);
        drop((outbox, log));
        node.write(&fallen("99"));
        let (outbox, log) = node.start("state").await;
        until("the XID of the time between", || outbox.counts().0 == 2).await;
        let batch = outbox.batch(10).unwrap();
        assert_eq!(batch.events[0].event_id, event.event_id);
        outbox.acknowledged(&batch);
        let rest = outbox.batch(10).map_or(batch.events[1..].to_vec(), |batch| batch.events);
        assert_eq!(rest[0].gpu_index, -1, "a GPU that nobody has described");
        assert!(ago_s(&rest[0]) + 60 > uptime_s(), "its own time, just after the boot");
        drop((outbox, log));
        let (fresh, _log) = node.start("another state").await;
        Clock::system().sleep(LOOK_EVERY * 2).await;
        assert_eq!(fresh.counts().0, 0, "without a memory nothing old is news");
    }

    /// Without it a node whose log cannot be read would look like one without errors.
    #[tokio::test]
    async fn a_log_that_is_not_there_is_said() {
        let node = Node { directory: tempfile::tempdir().unwrap() };
        let (_outbox, log) = node.start("state").await;
        until("the failure", || match log.watch() {
            LogWatch::Blind(reason) => reason.contains("No such file"),
            LogWatch::Off | LogWatch::Watching { .. } => false,
        })
        .await;
        assert_eq!(KernelLog::off().watch(), LogWatch::Off);
    }
}
