use std::{path::Path, process::Command, sync::Arc};

use navarch::client::{
    CallOptions, Client, ClientOptions,
    rpc::{GetNode, ListReplicas, RegisterNode},
};
use navarch_chaos::{
    Host,
    proc::{FleetFile, Group, GroupOptions},
    until,
};
use navarch_proto::api;

use crate::{LIMIT, Turn, group};

/// Without it nobody could keep tokens from those who listen on the way, or a group with certificates would
/// answer at its leader only.
#[tokio::test]
async fn a_group_whose_public_ports_speak_tls() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("certificates");
    navarch_cluster::init_tls(&certificates, &["127.0.0.1".to_owned()]).unwrap();
    let mut group = Group::lay_out(host, options(directory.path(), &certificates)).unwrap();
    for index in 0..group.len() {
        group.start_replica(index).unwrap();
    }
    let authority = certificates.join("ca.pem");
    let clients: Vec<_> =
        (0..group.len()).map(|index| client(host, group.address(index), &authority)).collect();
    for (index, client) in clients.iter().enumerate() {
        group.check_running().unwrap();
        let node_id = format!("n{index}");
        let register = api::RegisterNodeRequest { node_id, ..Default::default() };
        until(host, "a registration over TLS", LIMIT, || async {
            let options = CallOptions::default();
            let answer = client.call::<RegisterNode>(register.clone(), &options).await;
            answer.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
    }
    for client in &clients {
        for index in 0..group.len() {
            let request = api::GetNodeRequest { node_id: format!("n{index}") };
            client.call::<GetNode>(request, &CallOptions::default()).await.unwrap();
        }
        let request = api::ListReplicasRequest {};
        let replicas = client.call::<ListReplicas>(request, &CallOptions::default()).await.unwrap();
        for replica in replicas.message.replicas {
            assert!(replica.public_address.starts_with("https://127.0.0.1:"), "{replica:?}");
        }
    }
    strangers_are_told(group.address(0), &authority);
}

fn options(directory: &Path, certificates: &Path) -> GroupOptions {
    let mut options = group();
    options.directory = Some(directory.to_owned());
    let file = |name: &str| certificates.join(name).display().to_string();
    let (cert, key) = (file("127.0.0.1.pem"), file("127.0.0.1-key.pem"));
    let mut fleet = FleetFile::quiet();
    fleet.server.push(format!("tls: {{cert: {cert}, key: {key}}}"));
    options.fleet = fleet;
    options
}

fn client(host: &Host, address: &str, authority: &Path) -> Client {
    let options = ClientOptions::new(host.clock.clone(), Arc::clone(&host.spawner));
    let options = ClientOptions { ca_file: Some(authority.to_owned()), ..options };
    Client::new(&[address.to_owned()], options).unwrap()
}

/// The command line with and without what it needs to trust the replica.
fn strangers_are_told(address: &str, authority: &Path) {
    let run = |address: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
        command.args(["list", "--timeout", "5s", "--server", address]).args(more);
        let output = command.env_remove("NAVARCH_AUTH_TOKEN").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), errors)
    };
    let url = format!("https://{address}");
    let authority = authority.display().to_string();
    let (code, errors) = run(address, &["--ca-file", &authority]);
    assert_eq!(code, Some(0), "{errors}");
    let (code, errors) = run(&url, &["--insecure"]);
    assert_eq!(code, Some(0), "{errors}");
    let (code, errors) = run(&url, &[]);
    assert!(code != Some(0) && errors.contains("certificate"), "{errors}");
    let (code, errors) = run(address, &[]);
    assert!(code != Some(0) && errors.contains("https://"), "{errors}");
}
