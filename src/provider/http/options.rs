use std::{fs, path::PathBuf, time::Duration};

use navarch_host::Clock;
use reqwest::{Client, Url};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::SecretString;

use crate::outbound::{self, Trust};

/// How long one question may take, connecting included, where [`HttpOptions::timeout`] says nothing else.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where an HTTP provider is and how to talk to it.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// `http://` or `https://`, host, and optionally a port and a path that the protocol's paths follow.
    pub url: String,
    /// Sent as `authorization: Bearer <token>`.
    pub token: Option<SecretString>,
    /// PEM file of the only certificate authorities to trust; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Who asks, for the provider's own records: the `user-agent` header.
    pub caller: String,
    /// Limit of one exchange.
    pub timeout: Duration,
    /// What the limit is measured by.
    pub clock: Clock,
}

impl HttpOptions {
    /// Options for `url` with no token, the system's authorities and the default time-out.
    pub fn new(url: impl Into<String>, clock: Clock) -> Self {
        Self {
            url: url.into(),
            token: None,
            ca_file: None,
            caller: concat!("navarch/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: DEFAULT_TIMEOUT,
            clock,
        }
    }

    /// The url, checked.
    pub(super) fn base(&self) -> Result<Url, HttpOptionsError> {
        let refuse = |reason: &str| HttpOptionsError::Url {
            url: self.url.clone(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(&self.url).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(refuse("it must start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The message must not repeat what may be a password.
            return Err(HttpOptionsError::UrlWithCredentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must not have a query or a fragment"));
        }
        Ok(url)
    }

    /// A client for `base`.
    pub(super) fn client(&self, base: &Url) -> Result<Client, HttpOptionsError> {
        let trust = match (&self.ca_file, base.scheme()) {
            (Some(path), "https") => Trust::Only(authorities(path)?),
            (None, "https") => Trust::System,
            _ => Trust::Plaintext,
        };
        outbound::client(&self.caller, trust).map_err(HttpOptionsError::Client)
    }
}

fn authorities(path: &PathBuf) -> Result<RootCertStore, HttpOptionsError> {
    let refuse = |reason: String| HttpOptionsError::CaFile { path: path.clone(), reason };
    let pem = fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

/// Options that no provider can be reached with.
#[derive(Debug, thiserror::Error)]
pub enum HttpOptionsError {
    /// The url cannot be used.
    #[error("url {url:?} cannot be used: {reason}; write it like https://cloud.example:8443")]
    Url {
        /// As configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The url holds a user name or a password, which would enter the log.
    #[error("the url holds a user name or password; put the token into the variable of token_env")]
    UrlWithCredentials,
    /// The token cannot be sent as a header.
    #[error("the token has characters that a header cannot hold; check the variable of token_env")]
    Token,
    /// The file of certificate authorities cannot be used.
    #[error("ca_file {} cannot be used: {reason}", path.display())]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}
