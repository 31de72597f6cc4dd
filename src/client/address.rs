use std::sync::Arc;

use http::{Uri, uri::Authority, uri::Scheme};

use super::ClientError;

/// The port of a replica that is named without one.
const DEFAULT_PORT: u16 = 50051;

/// Where a replica listens for clients.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// `host:port`, lower case.
    pub(super) name: Arc<str>,
    pub(super) authority: Authority,
    pub(super) tls: bool,
}

impl Address {
    /// Reads `host:port`, `host`, `http://..` or `https://..`; without a scheme `tls_by_default` decides.
    pub(super) fn parse(given: &str, tls_by_default: bool) -> Result<Self, ClientError> {
        let wrong = |problem: String| ClientError::BadEndpoint { given: given.to_owned(), problem };
        let text = given.trim();
        let uri: Uri =
            text.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        let tls = match uri.scheme() {
            None => tls_by_default,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) => {
                return Err(wrong(format!("scheme {scheme} is neither http nor https")));
            }
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host".to_owned()))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it has a path".to_owned()));
        }
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong("it names no host".to_owned()));
        }
        let rest = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !rest => DEFAULT_PORT,
            _ => return Err(wrong("its port is no number from 1 to 65535".to_owned())),
        };
        let name = format!("{}:{port}", authority.host().to_lowercase());
        let authority =
            Authority::try_from(name.as_str()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { name: name.into(), authority, tls })
    }

    /// The host without brackets, as name lookup and certificates want it.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether `other`, `host:port` or a URL, is the same place; the names of this machine are all one.
    pub(super) fn matches(&self, other: &str) -> bool {
        let other = other.split_once("://").map_or(other, |(_, rest)| rest.trim_end_matches('/'));
        if self.name.eq_ignore_ascii_case(other) {
            return true;
        }
        match (self.name.rsplit_once(':'), other.rsplit_once(':')) {
            (Some((mine, port)), Some((theirs, other_port))) => {
                port == other_port && is_loopback(mine) && is_loopback(theirs)
            }
            _ => false,
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Without it an address that people write every day might be refused, or read as another.
    #[rstest]
    #[case("10.0.0.1:50051", false, "10.0.0.1:50051", false)]
    #[case("10.0.0.1:50051", true, "10.0.0.1:50051", true)]
    #[case(" CP.example ", false, "cp.example:50051", false)]
    #[case("http://a:1/", true, "a:1", false)]
    #[case("https://a:2", false, "a:2", true)]
    #[case("[::1]:7000", false, "[::1]:7000", false)]
    fn reads(
        #[case] given: &str,
        #[case] tls_by_default: bool,
        #[case] name: &str,
        #[case] tls: bool,
    ) {
        let address = Address::parse(given, tls_by_default).unwrap();
        assert_eq!((&*address.name, address.tls), (name, tls));
    }

    /// Without it a typing error would show as a replica that never answers.
    #[rstest]
    #[case("")]
    #[case("a:0")]
    #[case("a:99999")]
    #[case("a b:1")]
    #[case("ftp://a:1")]
    #[case("http://a:1/path")]
    #[case("http://user@a:1")]
    fn refuses(#[case] given: &str) {
        let error = Address::parse(given, false).unwrap_err();
        assert!(matches!(error, ClientError::BadEndpoint { .. }), "{error}");
    }

    /// Without it a leader that calls itself 127.0.0.1 is not recognised behind `localhost`.
    #[rstest]
    #[case("localhost:1", "127.0.0.1:1", true)]
    #[case("127.0.0.1:1", "[::1]:1", true)]
    #[case("127.0.0.1:1", "127.0.0.1:2", false)]
    #[case("a:1", "A:1", true)]
    #[case("a:1", "https://a:1", true)]
    #[case("a:1", "https://a:1/", true)]
    #[case("a:1", "https://b:1", false)]
    #[case("a:1", "b:1", false)]
    fn recognises(#[case] mine: &str, #[case] other: &str, #[case] same: bool) {
        assert_eq!(Address::parse(mine, false).unwrap().matches(other), same);
    }
}
