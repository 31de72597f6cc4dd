//! Who is not heard: other groups, other stores, other certificates.

mod common;

use std::time::Duration;

use common::{Home, homes, leader, start_all};
use navarch_cluster::{InitialReplica, TlsFiles, TlsInitReport, init_tls};
use navarch_proto::peer::{self, peer_service_client::PeerServiceClient};
use tonic::{Code, Status};

fn envelope(from: (&str, u64, &str), to: (u64, &str)) -> peer::Envelope {
    peer::Envelope {
        from: Some(peer::PeerIdentity {
            cluster_id: from.0.to_owned(),
            replica_id: from.1,
            store_id: from.2.to_owned(),
        }),
        to_replica_id: to.0,
        to_store_id: to.1.to_owned(),
        membership_index: 0,
    }
}

fn a_later_vote() -> peer::Vote {
    peer::Vote { term: 1_000, replica_id: 2, committed: false }
}

fn assert_refused(refused: &Status, case: &str, named: &str) {
    assert_eq!(refused.code(), Code::FailedPrecondition, "{case}: {refused}");
    assert!(refused.message().contains(named), "{case}: {refused}");
}

/// Without it a replica with another store, of another group, or removed, could vote or be told to append.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_named_stores_of_this_group_are_heard() {
    let homes = homes(&["a", "b", "c"]);
    let replicas = start_all(&homes).await;
    leader(&replicas).await;
    let a = replicas[0].replica.status();
    let b = replicas[1].replica.status();
    let cluster = a.cluster_id.clone().unwrap();
    let address = format!("http://{}", homes[0].address);
    let mut client = PeerServiceClient::connect(address).await.unwrap();
    let to_a = (1, a.store_id.as_str());
    let cases = [
        ("another group", envelope(("other", 2, &b.store_id), to_a), "other"),
        ("another store", envelope((&cluster, 2, "new-store"), to_a), "new-store"),
        ("an unknown replica", envelope((&cluster, 9, "new-store"), to_a), "not in this group"),
        (
            "for another replica",
            envelope((&cluster, 2, &b.store_id), (3, &a.store_id)),
            "is for replica 3",
        ),
        ("for another store", envelope((&cluster, 2, &b.store_id), (1, "old-store")), "old-store"),
    ];
    for (case, envelope, named) in cases {
        let call = peer::VoteCall {
            envelope: Some(envelope.clone()),
            vote: Some(a_later_vote()),
            ..peer::VoteCall::default()
        };
        assert_refused(&client.vote(call).await.unwrap_err(), case, named);
        let calls = futures::stream::iter([peer::RelayBatch {
            envelope: Some(envelope),
            calls: Vec::new(),
        }]);
        assert_refused(&client.relay(calls).await.unwrap_err(), case, named);
    }
    let nameless = client.vote(peer::VoteCall::default()).await.unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument);
    // None of it moved the group.
    assert!(replicas[0].replica.status().term < 1_000);
}

/// Without it an invitation to another group could take a replica out of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_belongs_to_one_group_for_ever() {
    let home = Home::new("solo");
    let mut config = home.config();
    config.bootstrap = true;
    let solo = home.start_with(config).await.unwrap();
    leader(std::slice::from_ref(&solo)).await;
    let status = solo.replica.status();
    let address = format!("http://{}", home.address);
    let mut client = PeerServiceClient::connect(address).await.unwrap();
    let invitation = |cluster_id: &str, store_id: &str| peer::JoinRequest {
        cluster_id: cluster_id.to_owned(),
        replica_id: 1,
        store_id: store_id.to_owned(),
    };
    let cluster = status.cluster_id.clone().unwrap();
    client.join(invitation(&cluster, &status.store_id)).await.unwrap();
    let other = client.join(invitation("other", &status.store_id)).await.unwrap_err();
    assert!(other.message().contains(&cluster), "{other}");
    let mistaken = client.join(invitation(&cluster, "other-store")).await.unwrap_err();
    assert!(mistaken.message().contains("other-store"), "{mistaken}");
}

fn host_of(home: &Home) -> String {
    let (host, _port) = home.address.rsplit_once(':').unwrap_or_default();
    host.to_owned()
}

fn files(report: TlsInitReport) -> Vec<TlsFiles> {
    let replicas = report.replicas.into_iter();
    replicas.map(|(_, files)| files).collect()
}

/// `stranger`, told to form a group with `member`, never hears from it.
async fn assert_not_answered(stranger: &Home, member: &Home, tls: Option<TlsFiles>) {
    let mut config = stranger.config();
    config.initial_replicas = [member, stranger]
        .map(|home| InitialReplica { name: home.name.clone(), address: home.address.clone() })
        .into();
    config.tls = tls;
    config.bootstrap = true;
    config.timings.bootstrap_wait = Duration::from_millis(300);
    let refused = match stranger.start_with(config).await {
        Ok(_) => panic!("a stranger was answered"),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("does not answer"), "{refused}");
}

/// Without it anyone on the network could speak as a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_certificates_of_one_authority_make_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let homes = homes(&["a", "b", "c"]);
    let hosts: Vec<String> = homes.iter().map(host_of).collect();
    let good = files(init_tls(&dir.path().join("good"), &hosts).unwrap());
    let mut replicas = Vec::new();
    for (home, files) in homes.iter().zip(&good) {
        let mut config = home.config();
        config.tls = Some(files.clone());
        replicas.push(home.start_with(config).await.unwrap());
    }
    let first = leader(&replicas).await;
    replicas[first].write("one").await;
    for live in &replicas {
        assert_eq!(live.read().await, ["one"]);
    }

    // A stranger with a certificate of another authority, and one with none.
    let stranger = Home::new("stranger");
    let bad = init_tls(&dir.path().join("bad"), &[host_of(&stranger)]).unwrap();
    for tls in [Some(files(bad).remove(0)), None] {
        assert_not_answered(&stranger, &homes[0], tls).await;
    }
    assert_eq!(replicas[first].replica.status().replicas.len(), 3);
}
