//! A real Prometheus, which scrapes figures that the test serves.

use std::time::Duration;

use navarch::metrics_source::Figure;
use navarch_host::Clock;

use super::{ALL, Bench, Canned, INTERVAL_MS, START_MS, http, process, skip};

/// How long it may take to start and to scrape: far above what it takes, for machines are busy.
const LIMIT: Duration = Duration::from_secs(60);

const FIGURES: &str = "\
# TYPE jobs gauge
jobs{state=\"waiting\"} 60
jobs{state=\"running\"} 10
# TYPE gpu_busy gauge
gpu_busy{node=\"1\"} 90.5
gpu_busy{node=\"2\"} 10.5
# TYPE broken gauge
broken NaN
";

/// Without it the source could read its own idea of the protocol, and no server's.
#[tokio::test]
async fn the_figures_of_a_real_server() {
    let Some(program) = process::program() else {
        return skip("no prometheus; tests/peers/install.sh installs it");
    };
    let body = http("200 OK", FIGURES)
        .replace("\r\nconnection", "\r\ncontent-type: text/plain; version=0.0.4\r\nconnection");
    let exporter = Canned::start(body).await;
    let server = process::Process::start(&program, &format!("127.0.0.1:{}", exporter.port));
    let mut bench = Bench::new(&server.url);
    bench.spec().utilization_query = "avg(gpu_busy)".to_owned();
    bench.spec().pending_jobs_query = "jobs{state='waiting'}".to_owned();
    bench.spec().queue_depth_query = "sum(jobs)".to_owned();
    let clock = Clock::system();
    let deadline = clock.now() + LIMIT;
    let mut now_ms = START_MS;
    let figures = loop {
        let figures = bench.ask(ALL, now_ms).await;
        if figures.queue_depth == Figure::known(70, now_ms) {
            break figures;
        }
        assert!(clock.now() < deadline, "{figures:?}");
        // Until it listens its refusals come at once; a fresh look takes another interval of LogTime.
        clock.sleep(Duration::from_millis(100)).await;
        now_ms += INTERVAL_MS;
    };
    assert_eq!(figures.pending_jobs, Figure::known(60, now_ms));
    assert_eq!(figures.utilization, Figure::known(50.5, now_ms));

    for (query, expected) in [
        ("sum(absent_of_all)", "the answer is empty"),
        ("jobs", "the answer has several series; aggregate them"),
        ("broken", "the value is not a finite number"),
        ("scalar(sum(jobs))", ""),
        ("'70'", "the answer is a text"),
        ("jobs[1m]", "the answer is a range; ask for an instant"),
        ("sum(jobs", "it answers 400: invalid parameter"),
        ("jobs > 1000", "the answer is empty"),
        ("-sum(jobs)", "the value is negative"),
    ] {
        bench.spec().queue_depth_query = query.to_owned();
        match bench.queue_depth(now_ms).await {
            Figure::Known(reading) => assert_eq!((reading.value, expected), (70, ""), "{query}"),
            Figure::Missing(said) => {
                assert!(!expected.is_empty() && said.contains(expected), "{query}: {said}");
            }
            Figure::NotTold => panic!("{query}: not told"),
        }
    }
}
