use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::config::TlsFiles;

/// The authority's name; fixed, so that a later run can sign for more replicas with the key alone.
const AUTHORITY: &str = "navarch peers";

/// Why no certificates were made.
#[derive(Debug, thiserror::Error)]
pub enum TlsInitError {
    /// No host was named.
    #[error("name at least one host, as other replicas reach it: a DNS name or an IP address")]
    NoHosts,
    /// A host is neither a DNS name nor an IP address.
    #[error(
        "{host:?} is no DNS name or IP address; name the host as other replicas reach it, without a port"
    )]
    BadHost {
        /// What was given.
        host: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key of an authority that exists already is no key.
    #[error("{path} is no private key: {reason}; restore it, or start over in an empty directory")]
    BadAuthorityKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Making keys or signing failed.
    #[error("cannot make a certificate for {subject}: {reason}")]
    Make {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        reason: String,
    },
}

/// What [`init_tls`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInitReport {
    /// Whether the authority was made now, or was there already.
    pub new_authority: bool,
    /// The host and the files of each replica.
    pub replicas: Vec<(String, TlsFiles)>,
}

/// Makes `ca.pem` and `ca-key.pem` in `dir`, unless they are there, and `HOST.pem` and `HOST-key.pem` for each
/// of `hosts`, new ones each time. The certificates serve both ends of a connection and name their host only.
pub fn init_tls(dir: &Path, hosts: &[String]) -> Result<TlsInitReport, TlsInitError> {
    if hosts.is_empty() {
        return Err(TlsInitError::NoHosts);
    }
    for host in hosts {
        check_host(host)?;
    }
    fs::create_dir_all(dir).map_err(|source| file_error(dir, source))?;
    let (issuer, new_authority) = authority(dir)?;
    let mut replicas = Vec::with_capacity(hosts.len());
    for host in hosts {
        let files = TlsFiles {
            ca: dir.join("ca.pem"),
            certificate: dir.join(format!("{host}.pem")),
            key: dir.join(format!("{host}-key.pem")),
        };
        let key = KeyPair::generate().map_err(|error| make_error(host, &error))?;
        let params = replica_params(host).map_err(|error| make_error(host, &error))?;
        let certificate =
            params.signed_by(&key, &issuer).map_err(|error| make_error(host, &error))?;
        write(&files.key, &key.serialize_pem(), Secrecy::Private)?;
        write(&files.certificate, &certificate.pem(), Secrecy::Public)?;
        replicas.push((host.clone(), files));
    }
    Ok(TlsInitReport { new_authority, replicas })
}

fn authority(dir: &Path) -> Result<(Issuer<'static, KeyPair>, bool), TlsInitError> {
    let (certificate_path, key_path) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    let params = authority_params();
    if certificate_path.exists() {
        let pem = fs::read_to_string(&key_path).map_err(|source| file_error(&key_path, source))?;
        let key = KeyPair::from_pem(&pem).map_err(|error| TlsInitError::BadAuthorityKey {
            path: key_path.clone(),
            reason: error.to_string(),
        })?;
        return Ok((Issuer::new(params, key), false));
    }
    let key = KeyPair::generate().map_err(|error| make_error(AUTHORITY, &error))?;
    let certificate = params.self_signed(&key).map_err(|error| make_error(AUTHORITY, &error))?;
    // The certificate last: its presence says that the key is complete.
    write(&key_path, &key.serialize_pem(), Secrecy::Private)?;
    write(&certificate_path, &certificate.pem(), Secrecy::Public)?;
    Ok((Issuer::new(params, key), true))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn replica_params(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, host);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The host becomes a file name: nothing that leads out of the directory may pass.
fn check_host(host: &str) -> Result<(), TlsInitError> {
    let valid = rustls::pki_types::ServerName::try_from(host).is_ok()
        && !host.contains(['/', '\\'])
        && !matches!(host, "ca" | "ca-key");
    match valid {
        true => Ok(()),
        false => Err(TlsInitError::BadHost { host: host.to_owned() }),
    }
}

#[derive(Clone, Copy)]
enum Secrecy {
    Public,
    Private,
}

/// Replaces `path` by way of a temporary file, so that no half of a key is ever seen.
fn write(path: &Path, text: &str, secrecy: Secrecy) -> Result<(), TlsInitError> {
    let temporary = path.with_extension("tmp");
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(match secrecy {
                Secrecy::Public => 0o644,
                Secrecy::Private => 0o600,
            });
        }
        #[cfg(not(unix))]
        let _ = secrecy;
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> TlsInitError {
    TlsInitError::File { path: path.to_owned(), source }
}

fn make_error(subject: &str, error: &rcgen::Error) -> TlsInitError {
    TlsInitError::Make { subject: subject.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::PeerTls;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// Without it a second run, for a group that grows, would cut the running replicas off.
    #[test]
    fn a_second_run_keeps_the_authority() {
        let dir = tempfile::tempdir().unwrap();
        let first = init_tls(dir.path(), &hosts(&["127.0.0.1"])).unwrap();
        let authority = fs::read(dir.path().join("ca.pem")).unwrap();
        let second = init_tls(dir.path(), &hosts(&["replica-4.example.com"])).unwrap();
        assert!(first.new_authority && !second.new_authority);
        assert_eq!(authority, fs::read(dir.path().join("ca.pem")).unwrap());
        for (_, files) in first.replicas.iter().chain(&second.replicas) {
            PeerTls::load(files).unwrap();
        }
    }

    /// Without it a host could name a file outside the directory, or replace the authority.
    #[test]
    fn hosts_that_are_no_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for host in ["", "../x", "a/b", "10.0.0.1:7000", "ca", "ca-key", "a b"] {
            let refused = init_tls(dir.path(), &hosts(&[host]));
            assert!(matches!(refused, Err(TlsInitError::BadHost { .. })), "{host}");
        }
    }

    /// Without it a key that is not the certificate's would show only when no peer can connect.
    #[test]
    fn files_that_do_not_fit_are_refused_when_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let report = init_tls(dir.path(), &hosts(&["127.0.0.1", "127.0.0.2"])).unwrap();
        let (one, two) = (&report.replicas[0].1, &report.replicas[1].1);
        let mixed = TlsFiles { key: two.key.clone(), ..one.clone() };
        assert!(PeerTls::load(&mixed).is_err());
        let empty = dir.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        let without_authority = TlsFiles { ca: empty, ..one.clone() };
        assert!(PeerTls::load(&without_authority).is_err());
    }
}
