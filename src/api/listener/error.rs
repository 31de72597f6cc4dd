use std::{io, path::PathBuf};

use thiserror::Error;
use tokio_rustls::rustls;

/// Why the public port could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// No address that can be listened on.
    #[error(
        "server.address {address:?} is no address to listen on: {source}; write host:port, or :50051 for every \
         address of this machine"
    )]
    Address {
        /// As configured.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Another process listens there.
    #[error(
        "cannot listen on {address}: another process has the port; stop it (ss -ltnp shows which it is) or set \
         server.address to a free port"
    )]
    InUse {
        /// As configured.
        address: String,
    },
    /// The operating system refuses.
    #[error(
        "cannot listen on {address}: {source}; set server.address to an address of this machine and a port that \
         this user may open (above 1023)"
    )]
    Refused {
        /// As configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ListenError {
    pub(super) fn bind(address: &str, source: io::Error) -> Self {
        let address = address.to_owned();
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::InUse { address }
        } else {
            Self::Refused { address, source }
        }
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read as PEM.
    #[error("cannot read {what} from {}: {source}; give a PEM file", path.display())]
    File {
        /// `certificates` or `a private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("there is no certificate in {}; give the PEM file of the chain, leaf first", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not make a server.
    #[error(
        "the certificate in {} does not serve: {source}; check that the key belongs to it", path.display()
    )]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
}
