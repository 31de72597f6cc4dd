//! Whatever a server does, it ends as a figure or as no data with a reason.

use std::{sync::atomic::Ordering, time::Duration};

use navarch::metrics_source::{Figure, Figures};
use navarch_host::Clock;

use super::{ALL, Bench, Canned, INTERVAL_MS, START_MS, http, one_series};

fn reason<T: std::fmt::Debug>(figure: Figure<T>) -> String {
    match figure {
        Figure::Missing(reason) => reason,
        other => panic!("not missing: {other:?}"),
    }
}

/// Without it a broken answer could be zero jobs, and a busy pool be given back.
#[tokio::test]
async fn garbage_is_no_data() {
    let large = format!("{}{}", one_series("70"), " ".repeat(2 << 20));
    for (answer, expected) in [
        (http("200 OK", &one_series("NaN")), "not a finite number"),
        (http("200 OK", &one_series("seventy")), "no number"),
        (http("200 OK", &one_series("-1")), "negative"),
        (http("200 OK", &one_series("1e300")), "too large"),
        (http("200 OK", "<html>login</html>"), "not one of Prometheus"),
        (http("200 OK", &large), "longer than 1048576 bytes"),
        (http("500 Internal Server Error", "no"), "it answers 500"),
        (http("503 Service Unavailable", &one_series("70")), "it answers 503"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_owned(), "broke off"),
        ("nothing of HTTP\r\n\r\n".to_owned(), "error"),
    ] {
        let server = Canned::start(answer).await;
        let said = reason(Bench::new(&server.url()).queue_depth(START_MS).await);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(said.len() < 400, "{said}");
    }
}

/// Without it a server that is gone would be no data without a word why, or its query show up in the journal.
#[tokio::test]
async fn a_server_that_is_not_there_is_no_data() {
    let port = Canned::start("").await.port;
    let said = reason(Bench::new(&format!("http://127.0.0.1:{port}")).queue_depth(START_MS).await);
    assert!(said.contains("refused") && !said.contains("query="), "{said}");
}

/// Without it a server could send the token elsewhere.
#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Canned::start(http("200 OK", &one_series("70"))).await;
    let moved =
        format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", other.url());
    let server = Canned::start(moved).await;
    let said = reason(Bench::new(&server.url()).queue_depth(START_MS).await);
    assert_eq!(said, "it answers 302, and redirects are not followed");
    assert!(other.requests().is_empty());
}

/// Without it the token would not be sent, or be looked for in the log's text instead of the environment.
#[tokio::test]
async fn tokens_come_from_the_environment() {
    let server = Canned::start(http("200 OK", &one_series("70"))).await;
    let mut bench = Bench::new(&format!("{}/base/", server.url()));
    bench.spec().token_env = "PROMETHEUS_TOKEN".to_owned();
    assert_eq!(bench.queue_depth(START_MS).await, Figure::known(70, START_MS));
    let request = server.requests().remove(0);
    assert!(
        request.starts_with("GET /base/api/v1/query?query=queue_depth&timeout=5000ms "),
        "{request}"
    );
    assert!(request.contains("authorization: Bearer secret"), "{request}");
    bench.spec().token_env = "ABSENT".to_owned();
    let said = reason(bench.queue_depth(START_MS).await);
    assert!(said.contains("\"ABSENT\"") && said.contains("restart"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

/// Without it a fleet of pools would ask a server as often as events wake the autoscaler.
#[tokio::test]
async fn a_query_is_asked_once_an_interval() {
    let server = Canned::start(http("200 OK", &one_series("42.2"))).await;
    let mut bench = Bench::new(&server.url());
    let figures = bench.ask(ALL, START_MS).await;
    assert_eq!(figures.utilization, Figure::known(42.2, START_MS));
    assert_eq!(figures.pending_jobs, Figure::known(43, START_MS), "a fraction of a job is a job");
    assert_eq!(figures.history.len(), 1);
    assert_eq!(server.requests().len(), 3);
    let early = bench.ask(ALL, START_MS + INTERVAL_MS / 2).await;
    assert_eq!(early.queue_depth, Figure::known(43, START_MS), "with its own age");
    assert_eq!(server.requests().len(), 3);
    let next = bench.ask(ALL, START_MS + INTERVAL_MS).await;
    assert_eq!(next.queue_depth, Figure::known(43, START_MS + INTERVAL_MS));
    assert_eq!((next.history.len(), server.requests().len()), (2, 6));
    bench.spec().queue_depth_query = "other".to_owned();
    bench.queue_depth(START_MS + INTERVAL_MS + 1).await;
    assert!(server.requests()[6].contains("query=other&"), "a changed query is asked at once");
    bench.spec().queue_depth_query.clear();
    assert_eq!(bench.queue_depth(START_MS + 2 * INTERVAL_MS).await, Figure::NotTold);
    bench.pool.metrics = None;
    assert_eq!(bench.ask(ALL, START_MS + 2 * INTERVAL_MS).await, Figures::default());
}

/// Without it a server that hangs would hold up every pool for as long as it hangs, and gather calls.
#[tokio::test]
async fn a_server_that_hangs_is_waited_for_briefly_and_asked_once() {
    let server = Canned::start("").await;
    let mut bench = Bench::new(&server.url());
    bench.spec().timeout_ms = 3_000;
    let clock = Clock::system();
    let begun = clock.now();
    assert_eq!(reason(bench.queue_depth(START_MS).await), "no answer yet");
    assert!(clock.now().since(begun) < Duration::from_millis(2_500));
    let later = START_MS + 10 * INTERVAL_MS;
    assert_eq!(reason(bench.queue_depth(later).await), "no answer yet");
    assert_eq!(server.requests().len(), 1, "one call under way");
    // The first call ends after its three seconds, by the third look at the latest; then it is asked again.
    let mut said = String::new();
    while server.requests().len() < 2 {
        said = reason(bench.queue_depth(later).await);
    }
    assert!(
        said.contains("no answer") && clock.now().since(begun) < Duration::from_secs(20),
        "{said}"
    );
    assert_eq!(
        reason(bench.queue_depth(later).await),
        "no answer within 3 s",
        "of the time before"
    );
    drop(bench);
    while server.open.load(Ordering::Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
}
