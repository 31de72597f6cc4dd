use std::time::Duration;

use navarch::client::{
    CallOptions, Failure,
    rpc::{GetNode, RegisterNode},
};
use navarch_chaos::{proc::Group, until};
use navarch_proto::api;

use crate::{LIMIT, Turn, group};

/// Within this time a replica without a majority must say so.
const SAYS_SO: Duration = Duration::from_secs(2);

/// Without it load balancers would go on sending calls to a replica that can serve none.
#[tokio::test]
async fn a_replica_without_a_majority_says_so_and_answers_stale_reads() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let mut group = Group::start(host, group()).await.unwrap();
    let client = group.client().unwrap();
    let register = api::RegisterNodeRequest { node_id: "n".to_owned(), ..Default::default() };
    client.call::<RegisterNode>(register, &CallOptions::default()).await.unwrap();
    let leader = group.leader(LIMIT).await.unwrap();
    let alone = (leader + 1) % group.len();
    let others: Vec<_> = (0..group.len()).filter(|&index| index != alone).collect();
    let request = || api::GetNodeRequest { node_id: "n".to_owned() };
    // It has applied the node before it is cut off.
    let own = group.client_of(alone);
    own.call::<GetNode>(request(), &CallOptions::default()).await.unwrap();

    for &other in &others {
        group.pause(other).unwrap();
    }
    let paused = host.clock.now();
    let told = until(host, "a 503 of /readyz", SAYS_SO, || async {
        let answer = group.readiness(alone, SAYS_SO).await?;
        if answer.status == 503 { Ok(answer) } else { Err(format!("{answer:?}")) }
    });
    told.await.unwrap();
    println!("503 after {:?}", host.clock.now().since(paused));
    let stale = CallOptions { stale: true, ..CallOptions::within(Duration::from_secs(5)) };
    let read = own.call::<GetNode>(request(), &stale).await.unwrap();
    assert_eq!(read.message.node.unwrap().node_id, "n");
    let linearizable = CallOptions::within(Duration::from_secs(1));
    let refused = own.call::<GetNode>(request(), &linearizable).await.unwrap_err();
    assert!(matches!(refused.failure(), Failure::Unreachable | Failure::TimedOut), "{refused}");
    let alive = navarch_chaos::proc::http::get(host, group.address(alone), "/healthz", LIMIT);
    assert_eq!(alive.await.unwrap().status, 200);

    for &other in &others {
        group.resume(other).unwrap();
    }
    group.wait_all_ready(LIMIT).await.unwrap();
    own.call::<GetNode>(request(), &CallOptions::default()).await.unwrap();
}
