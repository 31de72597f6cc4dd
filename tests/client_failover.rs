//! The balancing client against toy replicas that die, stop, stall and refuse.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod client_toy;

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use client_toy::{Script, Toy, client, options};
use navarch::client::{
    Balance, CallError, CallOptions, Client, ClientOptions, Failure,
    rpc::{GetNode, ListNodes, RegisterNode},
};
use navarch_host::Clock;
use navarch_proto::api::{GetNodeRequest, ListNodesRequest, RegisterNodeRequest};
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

fn registration(number: usize) -> RegisterNodeRequest {
    RegisterNodeRequest { node_id: format!("n{number}"), ..RegisterNodeRequest::default() }
}

async fn register(client: &Client, number: usize) -> Result<String, CallError> {
    let options = CallOptions::within(Duration::from_secs(10));
    let answer = client.call::<RegisterNode>(registration(number), &options).await?;
    Ok(answer.endpoint.to_string())
}

async fn list(client: &Client) -> Result<String, CallError> {
    let request = ListNodesRequest::default();
    let answer = client.call::<ListNodes>(request, &CallOptions::default()).await?;
    Ok(answer.endpoint.to_string())
}

/// Without it the death of one replica would be the death of every client that named it.
#[tokio::test]
async fn calls_go_on_when_a_replica_is_killed_and_use_it_again_when_it_is_back() {
    let script = Script::new();
    let toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    let client = client(&toys.iter().collect::<Vec<_>>(), options());
    let [first, second, third] = <[Toy; 3]>::try_from(toys).ok().unwrap();
    for number in 0..30 {
        register(&client, number).await.unwrap();
        list(&client).await.unwrap();
    }
    let address = first.kill();
    let clock = Clock::system();
    let killed = clock.now();
    for number in 30..90 {
        let endpoint = register(&client, number).await.unwrap();
        assert!(endpoint == second.address || endpoint == third.address);
    }
    assert!(clock.now().since(killed) < Duration::from_secs(1));
    let first = Toy::start_at(address, &script, None);
    script.lock().calls.clear();
    let started = clock.now();
    while script.count(&first.address, "ListNodes") == 0 {
        list(&client).await.unwrap();
        assert!(clock.now().since(started) < Duration::from_secs(10), "never asked again");
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// Without it every planned restart of the leader would show as failed calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_of_the_leader_fails_no_call() {
    let script = Script::new();
    let mut toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    script.lock().leader = Some(toys[0].address.clone());
    script.lock().delay = Duration::from_millis(2);
    let client = client(&toys.iter().collect::<Vec<_>>(), options());
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..16)
        .map(|number| {
            let (client, done) = (client.clone(), Arc::clone(&done));
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    register(&client, number).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, CallError>(())
            })
        })
        .collect();
    script.until("calls before", |state| state.calls.len() > 200).await;
    let before = answered.load(Ordering::Relaxed);
    script.lock().leader = Some(toys[1].address.clone());
    toys[0].stop_gracefully();
    script.until("calls after", |state| state.calls.len() > before + 600).await;
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(client.leader_hint().as_deref(), Some(&*toys[1].address));
}

/// Without it each write would cost a hop through a follower, and a lost leader a wait.
#[tokio::test]
async fn writes_follow_the_leader_and_leave_one_that_steps_down() {
    let script = Script::new();
    let toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    let client = client(&toys.iter().collect::<Vec<_>>(), options());
    script.lock().leader = Some(toys[1].address.clone());
    list(&client).await.unwrap();
    for number in 0..5 {
        assert_eq!(register(&client, number).await.unwrap(), toys[1].address);
    }
    script.lock().leader = Some(toys[2].address.clone());
    let error = Status::unavailable("not the leader any more");
    script.lock().errors.push_back((toys[1].address.clone(), error));
    assert_eq!(register(&client, 5).await.unwrap(), toys[2].address);
    assert_eq!(register(&client, 6).await.unwrap(), toys[2].address);
}

/// Without it a write whose answer was lost would take effect twice.
#[tokio::test]
async fn a_repeat_carries_the_same_request_id_and_another_call_another() {
    let script = Script::new();
    let toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    let client = client(&toys.iter().collect::<Vec<_>>(), options());
    for toy in &toys[..2] {
        let error = Status::unavailable("the result is unknown");
        script.lock().errors.push_back((toy.address.clone(), error));
    }
    while !script.lock().errors.is_empty() {
        register(&client, 0).await.unwrap();
    }
    let state = script.lock();
    let ids: Vec<_> = state.calls.iter().map(|call| call.text("navarch-request-id")).collect();
    let answered = state.registrations.len();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert!(ids.len() > answered, "nothing was repeated");
    assert_eq!(distinct.len(), answered);
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
}

/// Without it a person would be told that a write was not carried out, and repeat one that was.
#[tokio::test]
async fn a_write_that_a_replica_is_not_sure_of_is_told_as_such() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let client = client(&[&toy], options());
    for (effect, unsure) in [("none", false), ("unknown", true)] {
        let metadata = [("effect".to_owned(), effect.to_owned())];
        let details = ErrorDetails::with_error_info("NO_LEADER", "navarch", metadata);
        let first = Status::with_error_details(Code::Unavailable, "in time", details);
        let later = Status::unavailable("no leader is known; it was not carried out");
        let replies = std::iter::once(first).chain(std::iter::repeat_n(later, 40));
        script.lock().errors = replies.map(|reply| (toy.address.clone(), reply)).collect();
        let options = CallOptions::within(Duration::from_millis(300));
        let error = client.call::<RegisterNode>(registration(0), &options).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(told.contains("may have taken effect"), unsure, "{told}");
    }
}

/// Without it a refusal would be asked for again until the deadline, or lose its kind.
#[tokio::test]
async fn a_refusal_is_final_and_keeps_its_kind() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let client = client(&[&toy], options());
    for (status, failure) in [
        (Status::not_found("no node"), Failure::NotFound),
        (Status::permission_denied("agents only"), Failure::NotAllowed),
        (Status::unauthenticated("no token"), Failure::NotAllowed),
        (Status::failed_precondition("not cordoned"), Failure::Refused),
        (Status::resource_exhausted("too long"), Failure::Refused),
    ] {
        script.lock().calls.clear();
        script.lock().errors.push_back((toy.address.clone(), status.clone()));
        let request = GetNodeRequest::default();
        let result = client.call::<GetNode>(request, &CallOptions::default()).await;
        let error = result.unwrap_err();
        assert_eq!(error.failure(), failure, "{error}");
        assert!(error.to_string().contains(status.message()), "{error}");
        assert!(error.to_string().contains(&toy.address), "{error}");
        assert_eq!(script.lock().calls.len(), 1);
    }
}

/// Without it a replica whose network is cut silently would hold its clients for minutes.
#[tokio::test]
async fn a_silent_replica_costs_about_a_second() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = silent.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let endpoints = [endpoint, toy.address.clone()];
    let client = Client::new(&endpoints, options()).unwrap();
    let clock = Clock::system();
    for _ in 0..2 {
        let started = clock.now();
        list(&client).await.unwrap();
        assert!(clock.now().since(started) < Duration::from_millis(1_600));
    }
    let started = clock.now();
    for _ in 0..20 {
        list(&client).await.unwrap();
    }
    assert!(clock.now().since(started) < Duration::from_millis(800), "asked again at once");
}

/// Without it a wrong address would be waited for until the deadline and explained by nothing.
#[tokio::test]
async fn nobody_there_is_told_with_all_addresses_before_the_deadline() {
    let endpoints = ["127.0.0.1:1", "127.0.0.1:2"].map(str::to_owned);
    let options =
        ClientOptions { unreachable_after: Some(Duration::from_millis(300)), ..options() };
    let client = Client::new(&endpoints, options).unwrap();
    let error = list(&client).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Unreachable);
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1,127.0.0.1:2"), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains("may have taken effect"), "{text}");
}

/// Without it a slow write would look like one that never happened.
#[tokio::test]
async fn silence_until_the_deadline_names_the_request_id() {
    let script = Script::new();
    let toy = Toy::start(&script);
    script.lock().delay = Duration::from_secs(5);
    let client = client(&[&toy], options());
    let call = CallOptions::within(Duration::from_millis(200));
    let error = client.call::<RegisterNode>(registration(0), &call).await.unwrap_err();
    assert_eq!(error.failure(), Failure::TimedOut, "{error}");
    let state = script.lock();
    let id = state.calls[0].text("navarch-request-id");
    assert!(error.to_string().contains(id), "{error}");
    let told = state.calls[0].text("grpc-timeout").trim_end_matches('m').parse::<u32>().unwrap();
    assert!((100..=200).contains(&told), "{told}");
}

/// Without it one stalled replica would take the whole deadline although two others could answer.
#[tokio::test]
async fn a_try_ends_early_and_the_next_replica_answers() {
    let script = Script::new();
    let stalled = Script::new();
    stalled.lock().delay = Duration::from_secs(20);
    let toys = [Toy::start(&stalled), Toy::start(&script)];
    let client = client(&[&toys[0], &toys[1]], options());
    let call =
        CallOptions { attempt_timeout: Duration::from_millis(200), ..CallOptions::default() };
    for number in 0..2 {
        let answer = client.call::<RegisterNode>(registration(number), &call).await.unwrap();
        assert_eq!(*answer.endpoint, *toys[1].address);
    }
}

/// Without it a fleet's agents would each hold a connection to every replica.
#[tokio::test]
async fn a_sticky_client_stays_with_one_replica() {
    let script = Script::new();
    let toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    script.lock().leader = Some(toys[2].address.clone());
    let options = ClientOptions { balance: Balance::Sticky, ..options() };
    let client = client(&toys.iter().collect::<Vec<_>>(), options);
    let home = list(&client).await.unwrap();
    for number in 0..6 {
        assert_eq!(register(&client, number).await.unwrap(), home);
        assert_eq!(list(&client).await.unwrap(), home);
    }
}
