//! How this program calls others over HTTP: what providers, workload systems and sources of figures have in common.

use std::{error::Error, sync::Arc};

use reqwest::{Client, Response, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Whose certificates are believed.
pub(crate) enum Trust {
    /// Nobody's: the url is `http`. A machine that has no authorities must do.
    Plaintext,
    /// Those of the system's authorities.
    System,
    /// Those of these authorities alone.
    Only(RootCertStore),
}

/// A client that calls itself `caller`. Redirects are answers, not followed: they could carry a token elsewhere, or turn
/// a purchase into a read. Nothing is sent twice. Proxies of the environment are not used: whoever is called is
/// reached as its url says.
///
/// # Errors
///
/// Why TLS cannot be set up, for people.
pub(crate) fn client(caller: &str, trust: Trust) -> Result<Client, String> {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .user_agent(caller);
    let builder = match trust {
        Trust::Plaintext => builder.tls_backend_preconfigured(tls(RootCertStore::empty())?),
        Trust::Only(authorities) => builder.tls_backend_preconfigured(tls(authorities)?),
        Trust::System => {
            // Reqwest asks the process for its cryptography; a second installation is refused, which leaves the
            // first one in place.
            let _ = ring::default_provider().install_default();
            builder
        }
    };
    builder.build().map_err(|error| causes(&error))
}

fn tls(authorities: RootCertStore) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A body as far as it was read.
pub(crate) struct Body {
    /// Its bytes, as many as the limit allows.
    pub(crate) bytes: Vec<u8>,
    /// It is longer than the limit.
    pub(crate) cut: bool,
}

/// Reads a body of at most `limit` bytes; what is beyond is not read on.
///
/// # Errors
///
/// If it breaks off.
pub(crate) async fn read_body(
    mut response: Response,
    limit: usize,
) -> Result<Body, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Body { bytes, cut: true });
        }
    }
    Ok(Body { bytes, cut: false })
}

/// An error with its causes: reqwest's own text leaves out why.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
