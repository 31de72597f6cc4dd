use navarch::client::{CallOptions, rpc::RegisterNode};
use navarch_chaos::{Host, proc::Group};
use navarch_proto::api;

use crate::{LIMIT, Turn, group};

/// An HTTP client without TLS.
fn browser() -> reqwest::Client {
    // Only the first call installs it; reqwest wants one even where no TLS is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Reads server-sent events from a replica until one is of `kind`; answers its index.
async fn until_event(host: &Host, url: &str, last: Option<u64>, kind: &str) -> (u64, String) {
    let reading = async {
        let mut request = browser().get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut text = String::new();
        loop {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
            let told = whole.split("\n\n").find(|one| one.contains(&format!("event: {kind}\n")));
            if let Some(index) = told.and_then(|one| one.strip_prefix("id: ")?.split_once('\n')) {
                return (index.0.parse().unwrap(), told.unwrap_or_default().to_owned());
            }
        }
    };
    host.clock.timeout(LIMIT, reading).await.unwrap()
}

/// Without it a browser would have to poll, or would miss what happened while it changed from one replica to another.
#[tokio::test]
async fn browsers_follow_the_journal_over_replicas() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let group = Group::start(host, group()).await.unwrap();
    let client = group.client().unwrap();
    let url = |index: usize| format!("http://{}/v1/events?since=0", group.address(index));
    let register = |node_id: &str| {
        let request =
            api::RegisterNodeRequest { node_id: node_id.to_owned(), ..Default::default() };
        let client = client.clone();
        async move { client.call::<RegisterNode>(request, &CallOptions::default()).await.unwrap() }
    };
    register("first").await;
    let (seen, event) = until_event(host, &url(0), None, "node-registered").await;
    assert!(event.contains(r#""subject":"node/first""#), "{event}");
    register("second").await;
    let (next, event) = until_event(host, &url(1), Some(seen), "node-registered").await;
    assert!(next > seen && event.contains(r#""subject":"node/second""#), "{event}");

    // As after a restore, when less has happened than was seen.
    let beyond = format!("http://{}/v1/events?since={}", group.address(2), next + 1_000);
    let refused = browser().get(beyond).send().await.unwrap();
    assert!(refused.status().is_client_error(), "{}", refused.status());
    assert!(refused.text().await.unwrap().contains("there is no event"));

    let bad = format!("http://{}/v1/events?sinc=0", group.address(2));
    let refused = browser().get(bad).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("sinc"));
}
