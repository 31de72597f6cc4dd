//! Replicas in this process: real TCP on loopback, real files, a register for a state machine. A killed replica
//! loses its tasks at once, as a process does.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{
    io::{self, Read, Write},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use navarch_cluster::{
    ApplyFault, FatalHook, Image, InitialReplica, InstallError, RelayHandler, Replica,
    ReplicaConfig, ReplicaId, ReplicaParts, StartError, StateMachine, StoreError,
};
use navarch_host::{Clock, Moment, Network, Spawner, SystemNetwork, SystemSpawner, TaskHandle};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Appends every payload; answers how many there are.
#[derive(Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl StateMachine for Journal {
    fn apply(&mut self, _index: u64, payload: &[u8]) -> Result<Bytes, ApplyFault> {
        let mut entries = self.entries.lock().unwrap();
        entries.push(payload.to_vec());
        Ok(Bytes::from(entries.len().to_string()))
    }

    fn batch_applied(&mut self, _last_index: u64) {}

    fn image(&self) -> Box<dyn Image> {
        Box::new(JournalImage(self.entries.lock().unwrap().clone()))
    }

    fn install(&mut self, _last_index: u64, reader: &mut dyn Read) -> Result<(), InstallError> {
        let mut text = String::new();
        reader.read_to_string(&mut text).map_err(|error| InstallError::new(error.to_string()))?;
        let lines = text.lines().map(|line| line.as_bytes().to_vec());
        *self.entries.lock().unwrap() = lines.collect();
        Ok(())
    }
}

struct JournalImage(Vec<Vec<u8>>);

impl Image for JournalImage {
    fn write_to(&self, writer: &mut dyn Write) -> io::Result<()> {
        for entry in &self.0 {
            writer.write_all(entry)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Answers a relayed call with its own bytes and the sender's id.
pub struct Echo;

#[async_trait]
impl RelayHandler for Echo {
    async fn relayed(&self, from: ReplicaId, body: Bytes, _timeout: Duration) -> Bytes {
        Bytes::from(format!("{from}:{}", String::from_utf8_lossy(&body)))
    }
}

/// A runtime that can be torn down under what runs on it.
pub struct Machine {
    runtime: Mutex<Option<Runtime>>,
}

impl Machine {
    pub fn new() -> Arc<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Arc::new(Self { runtime: Mutex::new(Some(runtime)) })
    }

    pub fn kill(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts everything on one [`Machine`].
struct OnMachine(Arc<Machine>);

impl Spawner for OnMachine {
    fn spawn_boxed(&self, _name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        match self.0.runtime.lock().unwrap().as_ref() {
            Some(runtime) => runtime.handle().spawn(task).into(),
            None => tokio::spawn(async {}).into(),
        }
    }

    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
    }

    fn runtime(&self, _name: &str) -> io::Result<Arc<dyn Spawner>> {
        Ok(Arc::new(OnMachine(Arc::clone(&self.0))))
    }
}

/// A loopback address that no other test and no other process uses: 127/8 is all loopback, and the process id
/// and a counter make the host.
pub fn fresh_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = std::process::id();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "127.{}.{}.{}:{}",
        (process >> 8 & 0x7f) + 64,
        process & 0xff,
        number % 250 + 1,
        7_000 + number / 250
    )
}

/// Where one replica lives, over its restarts.
pub struct Home {
    pub name: String,
    pub address: String,
    pub dir: TempDir,
    pub network: Arc<dyn Network>,
    pub initial_replicas: Vec<InitialReplica>,
}

impl Home {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: fresh_address(),
            dir: TempDir::new().unwrap(),
            network: SystemNetwork::shared(),
            initial_replicas: Vec::new(),
        }
    }

    pub fn config(&self) -> ReplicaConfig {
        let mut config = ReplicaConfig::new(&self.name, self.dir.path(), &self.address);
        config.initial_replicas = self.initial_replicas.clone();
        config.public_address = format!("{}-public:1", self.name);
        config
    }

    pub async fn start(&self) -> Live {
        self.restart_with(self.config()).await
    }

    /// Starts it as soon as one that was killed has let go of port and directory.
    pub async fn restart_with(&self, config: ReplicaConfig) -> Live {
        let clock = Clock::system();
        let deadline = clock.now() + Duration::from_secs(10);
        loop {
            match self.start_with(config.clone()).await {
                Ok(live) => return live,
                Err(StartError::Listen { .. } | StartError::Storage(StoreError::InUse { .. }))
                    if clock.now() < deadline =>
                {
                    clock.sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{} does not start: {error}", self.name),
            }
        }
    }

    pub async fn start_with(&self, config: ReplicaConfig) -> Result<Live, StartError> {
        self.start_by(config, Clock::system()).await
    }

    /// Starts it with callers that live by `clock`.
    pub async fn start_by(&self, config: ReplicaConfig, clock: Clock) -> Result<Live, StartError> {
        let machine = Machine::new();
        let journal = Journal::default();
        let entries = Arc::clone(&journal.entries);
        let parts = ReplicaParts {
            network: Arc::clone(&self.network),
            state_machine: Box::new(journal),
            relay_handler: Arc::new(Echo),
            clock: clock.clone(),
            timers: Clock::system(),
            spawner: Arc::new(OnMachine(Arc::clone(&machine))),
            fatal: FatalHook::new(|fault| eprintln!("fatal: {fault}")),
        };
        let replica = Replica::start(config, parts).await;
        match replica {
            Ok(replica) => Ok(Live { replica, entries, machine, clock }),
            Err(error) => {
                machine.kill();
                Err(error)
            }
        }
    }
}

/// Homes that form one group.
pub fn homes(names: &[&str]) -> Vec<Home> {
    let mut homes: Vec<Home> = names.iter().map(|name| Home::new(name)).collect();
    let list: Vec<_> = homes
        .iter()
        .map(|home| InitialReplica { name: home.name.clone(), address: home.address.clone() })
        .collect();
    for home in &mut homes {
        home.initial_replicas = list.clone();
    }
    homes
}

/// A running replica.
pub struct Live {
    pub replica: Replica,
    pub entries: Arc<Mutex<Vec<Vec<u8>>>>,
    pub machine: Arc<Machine>,
    pub clock: Clock,
}

impl Live {
    pub fn soon(&self) -> Moment {
        self.clock.now() + Duration::from_secs(5)
    }

    pub async fn write(&self, text: &str) -> u64 {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        self.replica.propose(payload, self.soon()).await.unwrap().index
    }

    /// What this replica has applied, after a read index.
    pub async fn read(&self) -> Vec<String> {
        self.replica.read_index(self.soon()).await.unwrap();
        let entries = self.entries.lock().unwrap();
        entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    }

    pub fn id(&self) -> ReplicaId {
        self.replica.status().local.unwrap()
    }

    /// Ends all its tasks at once, as a kill does; its files stay.
    pub fn kill(self) {
        self.machine.kill();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.machine.kill();
    }
}

/// Starts all of `homes`.
pub async fn start_all(homes: &[Home]) -> Vec<Live> {
    futures::future::join_all(homes.iter().map(Home::start)).await
}

/// The position of the replica that leads, once one does.
pub async fn leader(replicas: &[Live]) -> usize {
    within(Duration::from_secs(10), "no leader", async || {
        replicas.iter().position(|live| live.replica.leadership().borrow().local)
    })
    .await
}

/// Polls `probe` until it finds something.
pub async fn within<T>(limit: Duration, what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    let clock = Clock::system();
    let deadline = clock.now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(clock.now() < deadline, "{what} within {limit:?}");
        clock.sleep(Duration::from_millis(10)).await;
    }
}

/// Removes a directory's contents, as an operator who lost a disk would find it.
pub fn wipe(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// A spawner of the test's own runtime.
pub fn here() -> Arc<dyn Spawner> {
    SystemSpawner::current()
}
