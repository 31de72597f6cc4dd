//! Mutual TLS between replicas.
//!
//! | file | holds |
//! |---|---|
//! | this one | loading the certificate files and turning them into tonic's settings |
//! | `init` | making a certificate authority and one certificate per replica |

mod init;

use std::{fs, io, path::PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

pub use init::{TlsInitError, TlsInitReport, init_tls};

use crate::config::TlsFiles;

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files are no PEM, or the key is not the certificate's.
    #[error(
        "{certificate} with key {key} and authority {ca} cannot be used: {reason}; make a new set with `navarch tls init`"
    )]
    Unusable {
        /// The configured certificate file.
        certificate: PathBuf,
        /// The configured key file.
        key: PathBuf,
        /// The configured authority file.
        ca: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// The loaded certificate files; both ends of a connection show and demand a certificate of one authority.
#[derive(Clone)]
pub(crate) struct PeerTls {
    identity: Identity,
    ca: Certificate,
}

impl PeerTls {
    /// Reads the files and checks that they fit together.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| TlsError::Read { path: path.clone(), source })
        };
        let (ca, certificate, key) =
            (read(&files.ca)?, read(&files.certificate)?, read(&files.key)?);
        let tls =
            Self { identity: Identity::from_pem(certificate, key), ca: Certificate::from_pem(ca) };
        // tonic parses the files only when a server or an endpoint takes them, and an empty authority only
        // when nobody can connect.
        let built = tonic::transport::Server::builder().tls_config(tls.server());
        let parsed = built.map(drop).map_err(|error| describe(&error));
        let counted = match &parsed {
            Ok(()) => tls.count_authorities(),
            Err(reason) => Err(reason.clone()),
        };
        counted.map_err(|reason| TlsError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            ca: files.ca.clone(),
            reason,
        })?;
        Ok(tls)
    }

    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(self.identity.clone()).client_ca_root(self.ca.clone())
    }

    /// Settings for calls to `host`, whose certificate must name it.
    pub(crate) fn client(&self, host: &str) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .identity(self.identity.clone())
            .ca_certificate(self.ca.clone())
            .domain_name(host)
    }

    fn count_authorities(&self) -> Result<(), String> {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let found = CertificateDer::pem_slice_iter(self.ca.as_ref()).filter(Result::is_ok);
        match found.count() {
            0 => Err("the authority file holds no certificate".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The error with all its causes; tonic's own message says only `transport error`.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
