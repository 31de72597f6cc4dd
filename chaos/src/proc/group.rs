use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use navarch::client::Client;
use tempfile::TempDir;

use super::{
    GroupOptions, Place, Process, free_ports,
    links::{Links, Party},
};
use crate::{error::ChaosError, host::Host, shim::Board};

/// How long a new group may take until every replica serves. Far above what it takes: machines are busy.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a replica may take to stop after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Replicas that a group can come to have.
pub(super) const MOST_REPLICAS: usize = 9;

/// The replicas of one group, each a process, and their fake cloud. All of it ends with this value.
pub struct Group {
    pub(super) host: Host,
    pub(super) options: GroupOptions,
    directory: Directory,
    /// Two for each replica that there may come to be, and the fake cloud's; then as many for proxies.
    pub(super) ports: Vec<u16>,
    pub(super) members: Vec<Member>,
    cloud: Option<Process>,
    pub(super) links: Option<Links>,
}

/// A replica: where it lies, its process, and clients of it alone.
pub(super) struct Member {
    pub(super) place: Place,
    pub(super) process: Process,
    pub(super) client: Client,
    /// The way past all proxies.
    pub(super) probe: Client,
    board: Option<Board>,
}

/// Where the group lies.
enum Directory {
    Given(PathBuf),
    Temporary(TempDir),
}

impl Group {
    /// Starts a group and waits until every replica serves.
    ///
    /// # Errors
    ///
    /// If a process does not start, or the group does not serve within a minute.
    pub async fn start(host: &Host, options: GroupOptions) -> Result<Self, ChaosError> {
        let mut group = Self::lay_out(host, options)?;
        for index in 0..group.len() {
            group.start_replica(index)?;
        }
        group.wait_all_ready(START_LIMIT).await?;
        Ok(group)
    }

    /// Writes the configuration of a group and starts nothing but its fake cloud.
    ///
    /// # Errors
    ///
    /// If the files cannot be written or there are no free ports.
    pub fn lay_out(host: &Host, options: GroupOptions) -> Result<Self, ChaosError> {
        let directory = Directory::claim(options.directory.clone())
            .map_err(ChaosError::system("make the directory of the group"))?;
        let ports = free_ports(2 * (2 * MOST_REPLICAS + 1));
        let ports = ports.map_err(ChaosError::system("find free ports"))?;
        let replicas = options.replicas;
        let mut group = Self {
            host: host.clone(),
            options,
            directory,
            ports,
            members: Vec::new(),
            cloud: None,
            links: None,
        };
        group.start_links()?;
        let initial: Vec<_> = (1..=replicas).map(|number| group.place(number)).collect();
        for place in initial.clone() {
            group.admit(place, &initial)?;
        }
        if group.options.cloud.is_some() {
            group.start_cloud()?;
        }
        Ok(group)
    }

    /// Number of replicas, running or not.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where the replica called `r<number>` is to be and lie.
    fn place(&self, number: usize) -> Place {
        let at = 2 * (number - 1);
        let place =
            Place::new(&self.directory.path(), number, (self.ports[at], self.ports[at + 1]));
        if self.links.is_none() {
            return place;
        }
        let at = at + 2 * MOST_REPLICAS + 1;
        place.behind((self.ports[at], self.ports[at + 1]))
    }

    /// Where clients reach all replicas, `host:port`.
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.place.reach.clone()).collect()
    }

    /// The name of replica `index`.
    pub fn name(&self, index: usize) -> &str {
        &self.members[index].place.name
    }

    /// Where replica `index` listens for clients.
    pub fn address(&self, index: usize) -> &str {
        &self.members[index].place.address
    }

    /// The address of replica `index` for its peers.
    pub fn peer_address(&self, index: usize) -> &str {
        &self.members[index].place.peer_reach
    }

    /// The process id of replica `index`; none if it does not run.
    pub fn process_id(&self, index: usize) -> Option<u32> {
        self.members[index].process.id()
    }

    /// Resident memory of replica `index`, bytes.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resident_bytes(&self, index: usize) -> Result<u64, ChaosError> {
        self.members[index].process.resident_bytes()
    }

    /// What replica `index` prints.
    pub fn log(&self, index: usize) -> PathBuf {
        self.members[index].process.log().to_owned()
    }

    /// The levers on the disk and the clock of replica `index`; none without a shim.
    pub fn board(&self, index: usize) -> Option<&Board> {
        self.members[index].board.as_ref()
    }

    /// The data directory of replica `index`.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        self.members[index].place.data_dir.clone()
    }

    /// Where all files of the group lie.
    pub fn directory(&self) -> PathBuf {
        self.directory.path()
    }

    /// A client that balances over all replicas.
    ///
    /// # Errors
    ///
    /// Never for addresses of our own.
    pub fn client(&self) -> Result<Client, ChaosError> {
        self.host.client(&self.addresses())
    }

    /// A client of replica `index` alone, which goes the way that all clients go.
    pub fn client_of(&self, index: usize) -> Client {
        self.members[index].client.clone()
    }

    /// The fake cloud's `host:port`.
    pub fn cloud_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2 * MOST_REPLICAS])
    }

    /// Starts replica `index`.
    ///
    /// # Errors
    ///
    /// If it runs already or cannot be started.
    pub fn start_replica(&mut self, index: usize) -> Result<(), ChaosError> {
        self.members[index].process.start()?;
        self.enter(self.process_id(index), Party::Replica(index));
        Ok(())
    }

    /// Has replica `index` run another program from its next start on.
    pub fn run_from(&mut self, index: usize, program: &Path) {
        self.members[index].process.run_from(program);
    }

    /// Has replica `index` write a snapshot every so many entries from its next start on, or as often as usual.
    ///
    /// # Errors
    ///
    /// If its configuration cannot be written.
    pub fn set_snapshot_every(&self, index: usize, entries: Option<u64>) -> Result<(), ChaosError> {
        let place = &self.members[index].place;
        let what = format!("change the configuration of {}", place.name);
        place.set_snapshot_every(entries).map_err(ChaosError::system(what))
    }

    /// Ends replica `index` with SIGKILL.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub async fn kill(&mut self, index: usize) -> Result<(), ChaosError> {
        self.members[index].process.kill().await
    }

    /// Stops replica `index` with SIGTERM.
    ///
    /// # Errors
    ///
    /// If it does not run, does not stop, or does not end with code 0.
    pub async fn terminate(&mut self, index: usize) -> Result<(), ChaosError> {
        let process = &mut self.members[index].process;
        let how = process.terminate(&self.host, STOP_LIMIT).await?;
        if how == "ended with code 0" {
            return Ok(());
        }
        let (name, log) = (process.name().to_owned(), process.log_tail());
        Err(ChaosError::Ended { name, how, log })
    }

    /// Stops replica `index` from running until [`Group::resume`].
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&self, index: usize) -> Result<(), ChaosError> {
        self.members[index].process.pause()
    }

    /// Lets replica `index` run again.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&self, index: usize) -> Result<(), ChaosError> {
        self.members[index].process.resume()
    }

    /// Removes all data of replica `index`, which must not run.
    ///
    /// # Errors
    ///
    /// If the files cannot be removed.
    pub fn wipe(&self, index: usize) -> Result<(), ChaosError> {
        let place = &self.members[index].place;
        let forget = |()| self.board(index).map_or(Ok(()), Board::forget);
        let removed = fs::remove_dir_all(&place.data_dir).and_then(forget);
        removed.map_err(ChaosError::system(format!("wipe {}", place.name)))
    }

    /// Starts a further replica that waits to be added to the group; answers its index.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start_another(&mut self) -> Result<usize, ChaosError> {
        let index = self.members.len();
        self.admit(self.place(index + 1), &[])?;
        self.start_replica(index)?;
        Ok(index)
    }

    /// Ends the last replica and takes it off this list; that the group forgets it too is the caller's part.
    pub fn retire_last(&mut self) {
        self.members.pop();
    }

    /// Fails if a process of the group has ended by itself.
    ///
    /// # Errors
    ///
    /// How it ended, with the end of its log.
    pub fn check_running(&mut self) -> Result<(), ChaosError> {
        let processes = self.members.iter_mut().map(|member| &mut member.process);
        processes.chain(&mut self.cloud).try_for_each(Process::check_running)
    }

    /// The first replica whose process has ended by itself.
    pub fn ended(&mut self) -> Option<usize> {
        self.members.iter_mut().position(|member| member.process.check_running().is_err())
    }

    /// Leaves the files of a temporary directory where they are, and answers where.
    pub fn keep_files(&mut self) -> PathBuf {
        if let Directory::Temporary(directory) = &mut self.directory {
            directory.disable_cleanup(true);
        }
        self.directory.path()
    }

    fn admit(&mut self, place: Place, initial: &[Place]) -> Result<(), ChaosError> {
        let written = place.write_config(initial, &self.options.fleet, &self.cloud_reach());
        written.map_err(ChaosError::system(format!("write {}", place.config.display())))?;
        let arguments = ["server", "--exit-with-parent", "--config"].map(str::to_owned);
        let arguments = arguments.into_iter().chain([place.config.display().to_string()]);
        let (name, program) = (&place.name, &self.options.program);
        let shim = self.options.shim.as_ref();
        let board = shim.map(|shim| shim.board(&self.directory.path(), &place)).transpose()?;
        let mut environment = self.options.environment.clone();
        environment.extend(board.iter().flat_map(Board::environment));
        let process = Process::new(name, program, arguments.collect(), place.log.clone())
            .with_environment(environment);
        let client = self.host.client(std::slice::from_ref(&place.reach))?;
        let probe = self.host.client(std::slice::from_ref(&place.address))?;
        self.open_links(self.members.len(), &place)?;
        self.members.push(Member { place, process, client, probe, board });
        Ok(())
    }

    fn start_cloud(&mut self) -> Result<(), ChaosError> {
        let directory = self.directory.path();
        let ledger = directory.join("fake-cloud.jsonl").display().to_string();
        let (address, agents_to) = (self.cloud_address(), self.addresses().join(","));
        let mut arguments: Vec<_> =
            ["fake-cloud", "--exit-with-parent", "--listen", &address, "--ledger", &ledger]
                .map(str::to_owned)
                .into();
        arguments.extend(["--agents-to".to_owned(), agents_to]);
        arguments.extend(self.options.cloud.iter().flatten().cloned());
        let log = directory.join("fake-cloud.log");
        let mut process = Process::new("fake cloud", &self.options.program, arguments, log);
        process.start()?;
        self.enter(process.id(), Party::Nodes);
        self.cloud = Some(process);
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if thread::panicking() {
            let kept = self.keep_files();
            // Where a test failed, its logs are wanted; stderr is where the failure is told too.
            eprintln!("the group's files are kept in {}", kept.display());
        }
    }
}

impl Directory {
    fn claim(given: Option<PathBuf>) -> io::Result<Self> {
        match given {
            None => {
                Ok(Self::Temporary(tempfile::Builder::new().prefix("navarch-chaos-").tempdir()?))
            }
            Some(path) => {
                fs::create_dir_all(&path)?;
                Ok(Self::Given(path.canonicalize()?))
            }
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Given(path) => path.clone(),
            Self::Temporary(directory) => directory.path().to_owned(),
        }
    }
}
