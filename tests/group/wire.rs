use std::time::Duration;

use navarch::client::{CallOptions, rpc::RegisterNode};
use navarch_chaos::proc::Group;
use navarch_host::Clock;
use navarch_proto::api;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::{LIMIT, Turn, group};

const SERVICE: &str = "navarch.ControlPlaneService";

/// A request, and what must come of it.
struct Case {
    what: &'static str,
    method: Method,
    call: &'static str,
    content_type: &'static str,
    body: Value,
    status: u16,
    /// The error's code; none where HTTP itself refuses.
    code: Option<&'static str>,
}

fn case(call: &'static str, body: Value, status: u16, code: &'static str) -> Case {
    let (what, method, content_type) = (code, Method::POST, "application/json");
    Case { what, method, call, content_type, body, status, code: Some(code) }
}

fn cases() -> Vec<Case> {
    let command = |kind: u32| json!({"nodeId": "wire", "commandType": kind});
    let bare = |what, method, call, content_type, status| Case {
        what,
        method,
        call,
        content_type,
        body: json!({}),
        status,
        code: None,
    };
    vec![
        case("GetNode", json!({"nodeId": "nobody"}), 404, "not_found"),
        case("Heartbeat", json!({"node_id": "nobody"}), 404, "not_found"),
        case("ReportHealth", json!({"nodeId": "nobody"}), 404, "not_found"),
        case("GetInstance", json!({"instanceId": "none"}), 404, "not_found"),
        case("RegisterNode", json!({}), 400, "invalid_argument"),
        case("RegisterNode", json!({"nodeId": "x".repeat(10_000)}), 400, "invalid_argument"),
        case("RegisterNode", json!({"nodeId": "bell\u{7}"}), 400, "invalid_argument"),
        case("RegisterNode", json!({"nodeId": 7}), 400, "invalid_argument"),
        case("IssueCommand", command(0), 400, "invalid_argument"),
        // Neither cordoned nor unhealthy.
        case("IssueCommand", command(5), 400, "failed_precondition"),
        case("ListNodes", json!({"status": 99}), 400, "invalid_argument"),
        bare("a method that is none", Method::POST, "NoSuchCall", "application/json", 404),
        bare("a write by GET", Method::GET, "RegisterNode", "application/json", 405),
        bare("an unknown content type", Method::POST, "GetNode", "text/plain", 415),
    ]
}

async fn send(http: &Client, address: &str, case: &Case) -> Response {
    let url = format!("http://{address}/{SERVICE}/{}", case.call);
    let request = http.request(case.method.clone(), url).header("content-type", case.content_type);
    request.body(case.body.to_string()).timeout(LIMIT).send().await.unwrap()
}

/// Posts JSON with a Connect deadline: status, body, and how long it took.
async fn within(
    (http, clock): (&Client, &Clock),
    address: &str,
    (call, body): (&str, Value),
    timeout: Duration,
) -> (u16, Value, Duration) {
    let begun = clock.now();
    let request = http
        .post(format!("http://{address}/{SERVICE}/{call}"))
        .header("connect-timeout-ms", timeout.as_millis().to_string())
        .timeout(LIMIT);
    let answer = request.json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.json().await.unwrap();
    (status, body, clock.now().since(begun))
}

/// Without it a client could not tell its own mistake from our trouble, or would be told so only by one replica.
#[tokio::test]
async fn errors_and_deadlines_are_the_contracts_at_every_replica() {
    let turn = Turn::take().await;
    let mut group = Group::start(&turn.host, group()).await.unwrap();
    let register = api::RegisterNodeRequest { node_id: "wire".to_owned(), ..Default::default() };
    let client = group.client().unwrap();
    client.call::<RegisterNode>(register, &CallOptions::default()).await.unwrap();
    // Whoever was first in this process has installed one that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::new();
    for address in group.addresses() {
        for case in cases() {
            let answer = send(&http, &address, &case).await;
            let told = format!("{address}: {} ({}): {answer:?}", case.call, case.what);
            assert_eq!(answer.status().as_u16(), case.status, "{told}");
            if let Some(code) = case.code {
                let applied = answer.headers().contains_key("navarch-applied-index");
                let error: Value = answer.json().await.unwrap();
                assert_eq!(error["code"], code, "{told}: {error}");
                assert_ne!(error["message"].as_str().unwrap_or_default(), "", "{told}: {error}");
                assert!(applied || code == "invalid_argument", "{told}: no index");
            }
        }
        // A poll without work ends shortly before its caller's deadline.
        let timeout = Duration::from_secs(2);
        let poll = ("PollCommands", json!({"nodeId": "wire"}));
        let (status, body, took) = within((&http, &turn.host.clock), &address, poll, timeout).await;
        assert_eq!((status, body), (200, json!({})), "{address} after {took:?}");
        assert!(took >= timeout / 2, "{address} answered after {took:?}");
    }

    // One replica is left: whoever calls it waits as long as the deadline allows, and is told why.
    let leader = group.leader(LIMIT).await.unwrap();
    let alone = (leader + 1) % group.len();
    for other in (0..group.len()).filter(|&index| index != alone) {
        group.kill(other).await.unwrap();
    }
    let address = group.address(alone);
    let timeout = Duration::from_secs(3);
    loop {
        let register = ("RegisterNode", json!({"nodeId": "late"}));
        let (status, error, took) =
            within((&http, &turn.host.clock), address, register, timeout).await;
        if error["code"] == "deadline_exceeded" {
            // The leader was still believed in: the call may have reached it.
            assert_eq!(status, 504, "{error}");
            continue;
        }
        assert_eq!((status, &error["code"]), (503, &json!("unavailable")), "{error}");
        assert!(took >= timeout / 2, "gave up after {took:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("it was not carried out: retry"), "{error}");
        break;
    }
}
