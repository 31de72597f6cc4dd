use std::time::Duration;

use futures::future::join_all;
use navarch_host::{Clock, SystemNetwork};
use navarch_proto::peer;

use crate::{
    config::TlsFiles,
    tls::{PeerTls, TlsError},
    transport::{Channels, Lane},
};

/// Who answers at a peer address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The address that was asked.
    pub address: String,
    /// Who answered there, or why nobody did.
    pub answer: Result<Answering, String>,
}

/// A replica that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// Its name.
    pub name: String,
    /// The group that it belongs to; none: it waits for one.
    pub group_id: Option<String>,
}

/// Asks at each of `addresses`, `HOST:PORT`, which replica is there, without being one.
///
/// # Errors
///
/// If the certificate files cannot be used.
pub async fn who_answers(
    addresses: &[String],
    tls: Option<&TlsFiles>,
    clock: &Clock,
    limit: Duration,
) -> Result<Vec<Presence>, TlsError> {
    let channels = Channels::new(SystemNetwork::shared(), tls.map(PeerTls::load).transpose()?);
    let asked = addresses.iter().map(|address| async {
        let hello = async {
            let mut client = channels.client(address, Lane::Control)?;
            client.hello(peer::HelloRequest::default()).await
        };
        let answer = match clock.timeout(limit, hello).await {
            Ok(Ok(answer)) => Ok(answering(answer.into_inner())),
            Ok(Err(status)) => Err(crate::tls::describe(&status)),
            Err(_) => Err(format!("no answer within {limit:?}")),
        };
        Presence { address: address.clone(), answer }
    });
    Ok(join_all(asked).await)
}

fn answering(hello: peer::HelloResponse) -> Answering {
    let group_id = hello.identity.map(|identity| identity.cluster_id);
    Answering { name: hello.name, group_id: group_id.filter(|id| !id.is_empty()) }
}
