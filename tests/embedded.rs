//! A replica inside another program, whose parts misbehave.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use navarch::{
    client::{CallOptions, Client, ClientOptions, rpc::GetPool},
    config,
    host::{Clock, SystemSpawner},
    proto::api::GetPoolRequest,
    scaling::{Autoscaler, Decision, Needs, PoolView},
    server::{Options, Plugins, Server},
};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(30);

const FLEET: &str = r#"
cluster: {replica: busy, peer_address: "127.0.0.1:0"}
server: {address: "127.0.0.1:0", autoscale_interval: 1s}
providers: {cloud: {type: fake}}
pools: {training: {provider: cloud, instance_type: h100-8x, min_nodes: 0, max_nodes: 1}}
"#;

/// Decides for as long as it is let.
struct Busy {
    begins: Mutex<Sender<()>>,
    ends: Mutex<Receiver<()>>,
    /// Set where it was never let.
    stuck: Arc<AtomicBool>,
}

impl Autoscaler for Busy {
    fn name(&self) -> &str {
        "x-busy"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn decide(&self, view: &PoolView) -> Decision {
        // Once the test is over, nobody waits any more.
        let _ = self.begins.lock().unwrap_or_else(PoisonError::into_inner).send(());
        let end = self.ends.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LIMIT);
        if end == Err(RecvTimeoutError::Timeout) {
            self.stuck.store(true, Ordering::Relaxed);
        }
        Decision::within_limits(view)
    }
}

/// Without it calls would wait while a controller goes over a large fleet: those that other replicas relay, and all of them
/// where a program has one thread for everything, as this test.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_controller_holds_up_no_call() {
    let directory = tempfile::tempdir().unwrap();
    let (begins, begun) = channel();
    let (end, ends) = channel();
    let mut options = Options::new(config::parse(FLEET, "busy.yaml").unwrap());
    options.data_dir = Some(directory.path().to_owned());
    options.bootstrap = true;
    let stuck = Arc::<AtomicBool>::default();
    let busy =
        Busy { begins: Mutex::new(begins), ends: Mutex::new(ends), stuck: Arc::clone(&stuck) };
    options.plugins = Plugins::default().autoscaler("training", Arc::new(busy));
    let server = Server::start(options).await.unwrap();
    let address = server.address().to_string();
    let stop = CancellationToken::new();
    let test = async {
        tokio::task::spawn_blocking(move || begun.recv_timeout(LIMIT)).await.unwrap().unwrap();
        let options = ClientOptions::new(Clock::system(), SystemSpawner::current());
        let client = Client::new(&[address], options).unwrap();
        let request = GetPoolRequest { name: "training".to_owned() };
        client.call::<GetPool>(request, &CallOptions::within(LIMIT)).await.unwrap();
        assert!(!stuck.load(Ordering::Relaxed), "the call waited for the controller");
        // From here on it is let at once.
        drop(end);
        stop.cancel();
    };
    let ((), served) = tokio::join!(test, server.serve(stop.clone()));
    served.unwrap();
}
