//! Floods against a replica as it is run: it serves others meanwhile, its memory stays within bounds, and it recovers.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use navarch_host::Clock;
use tempfile::TempDir;

use crate::{
    raw::*,
    table::{GET, JSON},
    toy::install_cryptography,
};

/// What all floods together may add to the most that the process ever held: far above what it takes, far below what they would
/// fill if what they send were kept.
const MOST_ADDED: u64 = 400 << 20;
/// What ends a test that waits in vain.
const TOO_LONG: Duration = Duration::from_secs(60);
/// Packed, it is 64 KB.
const BOMB: usize = 64 << 20;

/// A group of one, in a process of its own; ends with this value.
struct Process {
    child: Child,
    address: SocketAddr,
    client: reqwest::Client,
    _data: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    async fn start() -> Self {
        // Free a moment ago; nobody else is given it so soon.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let data = tempfile::tempdir().unwrap();
        let (address, peers) = (free(), free());
        let config = data.path().join("r1.yaml");
        let mut file = fs::File::create(&config).unwrap();
        writeln!(file, "server: {{address: \"{address}\"}}").unwrap();
        let folder = data.path().join("data");
        writeln!(
            file,
            "cluster: {{replica: r1, peer_address: \"{peers}\", data_dir: \"{}\", \
             initial_replicas: [{{name: r1, address: \"{peers}\"}}]}}",
            folder.display()
        )
        .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
        command.args(["server", "--exit-with-parent", "--config"]).arg(&config);
        // Its standard input ends with this process.
        command.stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        install_cryptography();
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let mut process = Self { child, address, client, _data: data };
        let clock = Clock::system();
        let serving = async {
            while !process.serves().await {
                assert!(process.child.try_wait().unwrap().is_none(), "the replica has ended");
                clock.sleep(Duration::from_millis(20)).await;
            }
        };
        clock.timeout(TOO_LONG, serving).await.expect("it serves");
        process
    }

    /// Whether it answers a read that goes through agreement.
    async fn serves(&self) -> bool {
        let request = self.client.post(format!("http://{}{GET}", self.address));
        let request = request.header("content-type", JSON).body(r#"{"nodeId":"m0"}"#);
        let answer = request.timeout(TOO_LONG).send().await;
        answer.is_ok_and(|answer| answer.status() == 404)
    }

    /// The most memory that it ever held, in bytes.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

fn call(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(GET, JSON, &[]))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// What is written again and again, until the server has had enough or the rounds are over.
struct Flood {
    name: &'static str,
    rounds: u32,
    bytes: fn(u32) -> Vec<u8>,
}

/// 64 calls of a round, each with what comes after it.
fn calls(round: u32, then: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let streams = (0..64).map(|one| 1 + 2 * (round * 64 + one));
    streams.flat_map(|stream| [call(stream), then(stream)].concat()).collect()
}

/// Calls that cost more to answer, or to take back, than to make.
fn floods_of_calls() -> [Flood; 4] {
    [
        Flood { name: "calls taken back", rounds: 40, bytes: |round| calls(round, reset) },
        Flood {
            name: "whole calls taken back",
            rounds: 30,
            bytes: |round| {
                let whole = |stream| frame(DATA, END_STREAM, stream, b"{\"nodeId\":\"m0\"}");
                calls(round, |stream| [whole(stream), reset(stream)].concat())
            },
        },
        Flood {
            name: "calls that break the rules",
            rounds: 30,
            bytes: |round| calls(round, |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4])),
        },
        Flood {
            name: "bodies that never end",
            rounds: 160,
            bytes: |round| match round {
                0..100 => call(1 + 2 * round),
                _ => (0..100).flat_map(|one| frame(DATA, 0, 1 + 2 * one, &[b' '; 4_000])).collect(),
            },
        },
    ]
}

/// Frames that ask for nothing.
fn floods_of_frames() -> [Flood; 7] {
    fn fill() -> Vec<u8> {
        block(&[("x", &[b'y'; 12_000])])
    }
    let flood = |name, bytes| Flood { name, rounds: 40, bytes };
    [
        flood("settings", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(200)),
        flood("pings", |_| frame(PING, 0, 0, &[1; 8]).repeat(200)),
        flood("priorities", |round| {
            frame(PRIORITY, 0, 3 + 2 * round, &[0, 0, 0, 0, 9]).repeat(200)
        }),
        flood("frames that nobody knows", |_| frame(0x77, 0, 0, &[1; 100]).repeat(100)),
        flood("window updates", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(200)),
        flood("data without bytes", |round| match round {
            0 => call(1),
            _ => frame(DATA, 0, 1, &[]).repeat(200),
        }),
        flood("headers that never end", |round| match round {
            0 => frame(HEADERS, 0, 1, &fill()),
            _ => frame(CONTINUATION, 0, 1, &fill()).repeat(20),
        }),
    ]
}

/// Without it one client could take a replica from all others, by what it costs to answer it or to remember it.
#[tokio::test]
async fn a_flood_costs_its_sender_alone() {
    let process = Arc::new(Process::start().await);
    let before = process.peak();
    for Flood { name: flood, rounds, bytes } in
        floods_of_calls().into_iter().chain(floods_of_frames())
    {
        let over = Arc::new(AtomicBool::new(false));
        let (beside, until) = (Arc::clone(&process), Arc::clone(&over));
        let served = tokio::spawn(async move {
            let mut served = 0;
            while !until.load(Ordering::Relaxed) || served == 0 {
                assert!(beside.serves().await, "others are not served");
                served += 1;
            }
        });
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let address = process.address;
                tokio::spawn(async move {
                    let mut raw = Raw::open(address, &[]).await;
                    // What the server says is never read, as of a sender that does not care.
                    for round in 0..rounds {
                        let sending = raw.write_if_room(&bytes(round)).await;
                        if !sending {
                            break;
                        }
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
        served.await.unwrap_or_else(|error| panic!("{flood}: {error}"));
        let added = process.peak().saturating_sub(before);
        println!("{flood}: {} MiB", added >> 20);
        assert!(added < MOST_ADDED, "{flood}: {added} bytes");
    }
}

/// Without it a few requests of 64 KB could make a replica hold gigabytes at once.
#[tokio::test]
async fn packed_bodies_are_unpacked_a_few_at_a_time() {
    let process = Process::start().await;
    let before = process.peak();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![b' '; BOMB]).unwrap();
    let bomb = encoder.finish().unwrap();
    let send = |_| {
        let request = process.client.post(format!("http://{}{GET}", process.address));
        let request = request.header("content-type", JSON).header("content-encoding", "gzip");
        request.body(bomb.clone()).send()
    };
    for answer in futures::future::join_all((0..12).map(send)).await {
        // All spaces: within the limit, and no JSON.
        assert_eq!(answer.unwrap().status(), 400);
    }
    assert!(process.serves().await);
    let added = process.peak().saturating_sub(before);
    println!("{} MiB", added >> 20);
    assert!(added < MOST_ADDED, "{added} bytes");
}
