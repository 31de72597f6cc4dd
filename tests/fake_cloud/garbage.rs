use std::{fs, sync::Arc, time::Duration};

use navarch::provider::{
    Conclusion, Provider, ProviderError,
    http::{HttpOptions, HttpProvider},
    labels,
};
use navarch_host::{Clock, FakeClock};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    canned::{Canned, answer},
    support::{order, passing},
};

fn provider(url: &str) -> HttpProvider {
    HttpProvider::new(HttpOptions::new(url, Clock::system())).unwrap()
}

/// Answers to an order, and what the message about each must say.
fn nonsense() -> Vec<(Vec<u8>, &'static str)> {
    let machine = |id: &str, key: &str| {
        format!(r#"{{"id":"{id}","idempotency_key":"{key}","state":"running"}}"#)
    };
    let long = format!(r#"{{"id":"{}"#, "x".repeat(17 * 1024 * 1024));
    vec![
        (answer("201 Created", "", ""), "not the protocol's"),
        (answer("201 Created", "", "<html>"), "not the protocol's"),
        (answer("201 Created", "", r#"{"id":"m"}"#), "state"),
        (answer("201 Created", "", &machine("m", "other")), r#"of the order "other""#),
        (answer("201 Created", "", &machine("", "i")), "is empty"),
        (answer("201 Created", "", &machine("..", "i")), "would change the path"),
        (answer("201 Created", "", &machine("a\\nb", "i")), "control characters"),
        (answer("201 Created", "", &machine(&"m".repeat(300), "i")), "longer than 256"),
        (answer("201 Created", "", &long), "longer than the limit of 16777216"),
        (answer("202 Accepted", "", &machine("m", "i")), "202"),
        (answer("302 Found", "location: http://elsewhere/\r\n", ""), "http://elsewhere/"),
        (answer("500 Oops", "", "\u{1b}[2Jboom"), "boom"),
        (answer("404 Not Found", "", ""), "404"),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 900\r\n\r\n{".to_vec(), "broke off"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "HTTP"),
        (Vec::new(), "error sending request"),
    ]
}

/// Without it a broken or hostile provider could make us believe that nothing was bought, or run us out of
/// memory.
#[tokio::test]
async fn nonsense_settles_nothing() {
    for (answer, expected) in nonsense() {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        let server = Canned::start(answer).await;
        let error = provider(&server.url()).order(&order("i", "p"), 1).await.unwrap_err();
        assert_eq!(error.conclusion(), Conclusion::Ambiguous, "{shown}: {error}");
        let message = error.to_string();
        assert!(message.contains(expected), "{shown}: {message}");
        assert!(message.len() < 1_000 && !message.contains('\u{1b}'), "{message}");
        assert_eq!(server.requests.lock().unwrap().len(), 1, "{shown}: asked once");
    }
}

/// Without it a wrong answer to a read would be taken for the truth about a machine.
#[tokio::test]
async fn reads_refuse_nonsense() {
    let machine = r#"{"id":"other","state":"running"}"#;
    let endless = r#"{"instances":[],"next_page_token":"again"}"#;
    let foreign = r#"{"instances":[{"id":"x","state":"running","labels":{"navarch.pool":"q"}}]}"#;
    let server = Canned::start(answer("200 OK", "", machine)).await;
    let wrong = provider(&server.url()).get("mine").await.unwrap_err();
    assert!(wrong.to_string().contains(r#"about "other""#), "{wrong}");
    let server = Canned::start(answer("200 OK", "", endless)).await;
    let wrong = provider(&server.url()).list((labels::POOL, "p")).await.unwrap_err();
    assert!(wrong.to_string().contains("does not end"), "{wrong}");
    let server = Canned::start(answer("200 OK", "", foreign)).await;
    let listed = provider(&server.url()).list((labels::POOL, "p")).await.unwrap();
    assert_eq!(listed, [], "machines without the label are not ours");
    let server = Canned::start(answer("200 OK", "", "{}")).await;
    for error in [
        provider(&server.url()).list((labels::POOL, "p")).await.unwrap_err(),
        provider(&server.url()).instance_types().await.unwrap_err(),
        provider(&server.url()).get("m").await.unwrap_err(),
    ] {
        assert!(matches!(error, ProviderError::Unanswered(_)), "{error:?}");
    }
    for id in ["", ".", "..", "a\nb", &"m".repeat(257)] {
        let refused = provider(&server.url()).get(id).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Invalid(_)), "{refused:?}");
        let refused = provider(&server.url()).terminate(id, 1).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Invalid(_)), "{refused:?}");
    }
}

/// Without it a provider that hangs would hang its caller, or a request that never left would be called
/// ambiguous.
#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let time = FakeClock::new(0);
    let clock = Clock::fake(Arc::clone(&time));
    let hanging = HttpProvider::new(HttpOptions::new(&url, clock.clone())).unwrap();
    let asked = order("i", "p");
    let began = clock.now();
    let error = passing(&time, hanging.order(&asked, 1)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Ambiguous(_)), "{error:?}");
    assert!(error.to_string().contains("no answer within 30 s"), "{error}");
    let waited = clock.now().since(began);
    assert!((30..32).contains(&waited.as_secs()), "{waited:?}");
    drop(listener);
    let error = provider(&url).order(&asked, 1).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable(_)), "{error:?}");
    assert_eq!(error.conclusion(), Conclusion::Wait(Duration::from_secs(5)));
}

/// Without it the order in the log and the order on the wire could differ, or its key, token or session be
/// missing.
#[tokio::test]
async fn the_request_is_what_the_log_says() {
    let body = r#"{"id":"m","idempotency_key":"i-1","state":"running"}"#;
    let server = Canned::start(answer("201 Created", "", body)).await;
    let mut options = HttpOptions::new(format!("{}/base/", server.url()), Clock::system());
    options.token = Some(SecretString::from("s3cret"));
    options.caller = "navarch/test (r1)".to_owned();
    assert!(!format!("{options:?}").contains("s3cret"));
    let asked = order("i-1", "p");
    HttpProvider::new(options).unwrap().order(&asked, 42).await.unwrap();
    let request = server.requests.lock().unwrap()[0].clone();
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent.as_bytes(), asked.request_body);
    let head = head.to_lowercase();
    for line in [
        "post /base/v1/instances http/1.1",
        "idempotency-key: i-1",
        "navarch-session: 42",
        "authorization: bearer s3cret",
        "content-type: application/json",
        "user-agent: navarch/test (r1)",
    ] {
        assert!(head.lines().any(|header| header == line), "{line} in {head}");
    }
}

/// Without it a provider behind a private authority could not be used, or any authority would do.
#[tokio::test]
async fn tls_trusts_the_ca_file_alone() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Canned::start_with(answer("200 OK", "", "[]"), Some(acceptor)).await;
    let folder = tempfile::TempDir::new().unwrap();
    let url = format!("https://localhost:{}", server.port);
    let ask = async |pem: &str| {
        let path = folder.path().join("ca.pem");
        fs::write(&path, pem).unwrap();
        let mut options = HttpOptions::new(&url, Clock::system());
        options.ca_file = Some(path);
        match HttpProvider::new(options) {
            Ok(provider) => provider.instance_types().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    assert_eq!(ask(&certified.cert.pem()).await, Ok(Vec::new()));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let refused = ask(&other.cert.pem()).await.unwrap_err();
    assert!(refused.contains("cannot reach the provider"), "{refused}");
    let refused = ask("no certificate").await.unwrap_err();
    assert!(refused.contains("ca.pem cannot be used: it holds no certificate"), "{refused}");
}
