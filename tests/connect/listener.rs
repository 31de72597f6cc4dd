//! Connections: many, silent, slow, encrypted, and at the end of a replica's life.

use std::{path::PathBuf, sync::Arc, time::Duration};

use navarch::api::listener::{ListenError, Listener, ListenerConfig, load_tls};
use navarch_host::{Clock, Elapsed, SystemNetwork};
use rcgen::{CertifiedKey, KeyPair};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::toy::{Server, Setup, clients};

const SOON: Duration = Duration::from_secs(4);

async fn soon<F: Future>(future: F) -> Result<F::Output, Elapsed> {
    Clock::system().timeout(SOON, future).await
}

async fn start(change: impl FnOnce(&mut ListenerConfig)) -> Server {
    let mut setup = Setup::default();
    change(&mut setup.listener);
    Server::start(setup).await
}

async fn healthy(client: &reqwest::Client, server: &Server) -> bool {
    let response = client.get(server.url("/healthz")).send().await;
    response.is_ok_and(|response| response.status().is_success())
}

/// Whether the server ends the connection soon.
async fn ends(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.is_ok()
}

/// Without it connections that say nothing, or stop in the middle of a word, would pile up.
#[tokio::test]
async fn silent_and_slow_connections_are_closed() {
    let server = start(|config| {
        config.opening_timeout = Duration::from_millis(100);
        config.idle_timeout = Duration::from_millis(100);
    })
    .await;
    let openings: [&[u8]; 5] = [
        b"",
        b"PRI * HTTP",
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\n",
        b"\x16\x03\x01\x02\x00",
    ];
    for opening in openings {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(opening).await.unwrap();
        assert!(ends(&mut stream).await, "{}", opening.escape_ascii());
    }
}

/// Without it a fleet's idle connections would keep others out, or bring the replica down.
#[tokio::test]
async fn a_thousand_idle_connections_do_no_harm() {
    let server = start(|_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    for (version, client) in clients() {
        assert!(healthy(&client, &server).await, "{version}");
    }
}

/// Without it connections would be bounded by the memory of the machine alone.
#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let server = start(|config| config.max_connections = 2).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert!(ends(&mut third).await);
    drop(first);
    let [(_, client), _] = clients();
    // The place comes free once the server has seen the end of the first.
    let freed = async {
        while !healthy(&client, &server).await {
            tokio::task::yield_now().await;
        }
    };
    soon(freed).await.unwrap();
}

/// Without it one request's headers could fill the memory of a replica.
#[tokio::test]
async fn long_headers_are_refused() {
    let server = start(|_| {}).await;
    for (version, client) in clients() {
        let request = client.get(server.url("/healthz"));
        let response = request.header("x", "y".repeat(100_000)).send().await;
        let refused = response.map_or(true, |response| response.status() == 431);
        assert!(refused, "{version}");
        assert!(healthy(&client, &server).await, "{version}");
    }
}

/// Without it an operator would have to guess why a replica does not start.
#[tokio::test]
async fn a_port_that_cannot_be_opened_is_explained() {
    let server = start(|_| {}).await;
    let taken = server.address.to_string();
    let port = format!(":{}", server.address.port());
    let cases = [
        (taken.as_str(), "another process has the port"),
        (port.as_str(), "server.address"),
        ("127.0.0.1", "host:port"),
        (":http", "host:port"),
        ("192.0.2.1:0", "an address of this machine"),
    ];
    for (address, part) in cases {
        let error = Listener::bind(&SystemNetwork, ListenerConfig::new(address)).await;
        let error: ListenError = error.expect_err(address);
        let text = error.to_string();
        assert!(text.contains(part) && text.contains(address), "{text}");
    }
    let every = Listener::bind(&SystemNetwork, ListenerConfig::new(":0")).await.unwrap();
    assert!(every.address().ip().is_unspecified());
}

/// Without it a restart would cut off calls that were about to be answered, or wait for idle clients.
#[tokio::test]
async fn a_stop_ends_idle_connections_and_waits_for_calls() {
    let mut server = start(|config| config.drain = Duration::from_millis(700)).await;
    let all = clients();
    for (version, client) in &all {
        assert!(healthy(client, &server).await, "{version}");
    }
    let call = |timeout: &str| {
        let request = all[0].1.post(server.method("GetNode"));
        let request = request.header("content-type", "application/json");
        let request = request.header("connect-timeout-ms", timeout.to_owned());
        tokio::spawn(request.body(r#"{"nodeId":"never"}"#).send())
    };
    let (answered, cut_off) = (call("400"), call("60000"));
    // Both calls are under way once their requests have been read; there is nothing to see that by.
    Clock::system().sleep(Duration::from_millis(200)).await;
    server.stopping.cancel();
    assert_eq!(answered.await.unwrap().unwrap().status(), 504);
    assert!(cut_off.await.unwrap().is_err());
    soon(&mut server.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// Without it a stop would always take the whole time that calls may take to end.
#[tokio::test]
async fn a_stop_without_calls_is_quick() {
    let mut server = start(|config| config.drain = Duration::from_secs(60)).await;
    for (version, client) in clients() {
        assert!(healthy(&client, &server).await, "{version}");
    }
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.stopping.cancel();
    soon(&mut server.serving).await.unwrap().unwrap();
}

/// A certificate of `name`, and the files of it and of its key.
fn certified(folder: &TempDir, name: &str) -> (CertifiedKey<KeyPair>, [PathBuf; 2]) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let paths = [format!("{name}.pem"), format!("{name}.key")];
    let paths = paths.map(|path| folder.path().join(path));
    std::fs::write(&paths[0], made.cert.pem()).unwrap();
    std::fs::write(&paths[1], made.signing_key.serialize_pem()).unwrap();
    (made, paths)
}

/// Without it TLS clients of either version of HTTP could not agree on one, or not connect at all.
#[tokio::test]
async fn tls_offers_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (made, [certificate, key]) = certified(&folder, "localhost");
    let tls = load_tls(&certificate, &key).unwrap();
    let server = start(|config| config.tls = Some(tls)).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for protocol in ["h2", "http/1.1"] {
        let client = ClientConfig::builder().with_root_certificates(roots.clone());
        let mut client = client.with_no_client_auth();
        client.alpn_protocols = vec![protocol.into()];
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, stream).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().unwrap();
        assert_eq!(agreed, protocol.as_bytes());
        if protocol == "http/1.1" {
            let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        }
    }
}

/// Without it whoever forgets the `s` of `https` sees a connection that ends without a word.
#[tokio::test]
async fn plain_http_to_a_tls_port_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_, [certificate, key]) = certified(&folder, "localhost");
    let tls = load_tls(&certificate, &key).unwrap();
    let server = start(|config| config.tls = Some(tls)).await;
    let response = reqwest::get(server.url("/healthz")).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("https://"));
}

/// Without it an operator with a wrong certificate file would have to guess which and why.
#[test]
fn wrong_certificates_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let [mine, other] = ["a", "b"].map(|name| certified(&folder, name).1);
    let missing = folder.path().join("missing.pem");
    let cases = [
        (&missing, &mine[1], "missing.pem"),
        (&mine[1], &mine[1], "no certificate"),
        (&mine[0], &mine[0], "private key"),
        (&mine[0], &other[1], "belongs"),
    ];
    for (certificate, key, part) in cases {
        let text = load_tls(certificate, key).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}
