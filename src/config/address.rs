use std::net::IpAddr;

/// A `HOST:PORT`; the host may be empty for all interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `host:port`, `:port` or `[ipv6]:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shape = || {
            format!("`{text}` is not an address: write `HOST:PORT`, or `:PORT` for all interfaces")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
        let port = port.parse::<u16>().map_err(|_| {
            format!("`{text}` is not an address: the port `{port}` is not a number from 0 to 65535")
        })?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bare {
            Some(ip) => {
                ip.parse::<std::net::Ipv6Addr>().map_err(|_| shape())?;
                ip
            }
            None => host,
        };
        let named = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        if bare.is_none() && !host.chars().all(named) {
            return Err(shape());
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Whether only this machine can be meant.
    pub(crate) fn is_loopback(&self) -> bool {
        let ip = self.host.parse::<IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether others could connect to it: it names one host and one port.
    pub(crate) fn is_reachable(&self) -> bool {
        let ip = self.host.parse::<IpAddr>();
        !self.host.is_empty() && self.port != 0 && !ip.is_ok_and(|ip| ip.is_unspecified())
    }
}

/// Checks an `http://` or `https://` URL.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let uri =
        text.parse::<http::Uri>().map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    let scheme = uri.scheme_str();
    if !matches!(scheme, Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(format!("`{text}` is not a URL: write `http://HOST:PORT` or `https://HOST`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a wrong address would be found when a replica fails to listen, far from its line.
    #[test]
    fn addresses() {
        for (text, host, port) in [
            (":50051", "", 50051),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("replica-1.example.org:50052", "replica-1.example.org", 50052),
            ("[::1]:80", "::1", 80),
        ] {
            let expected = Address { host: host.to_owned(), port };
            assert_eq!(Address::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "50051",
            "host",
            "host:",
            "host:port",
            "host:65536",
            "::1:80",
            "a b:1",
            "[x]:1",
            "http://h:1",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    /// Without it peers could be told to connect to `0.0.0.0`, or speak plaintext over a network.
    #[test]
    fn loopback_and_reachable() {
        for (text, loopback, reachable) in [
            (":1", false, false),
            ("0.0.0.0:1", false, false),
            ("[::]:1", false, false),
            ("127.0.0.2:1", true, true),
            ("localhost:1", true, true),
            ("[::1]:1", true, true),
            ("10.0.0.1:1", false, true),
            ("10.0.0.1:0", false, false),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(
                (address.is_loopback(), address.is_reachable()),
                (loopback, reachable),
                "{text}"
            );
        }
    }

    /// Without it a mistyped URL would be found only when a machine is to be bought or drained.
    #[test]
    fn urls() {
        for text in
            ["http://127.0.0.1:8080", "https://cloud.example.org/api", "http://[::1]:1/x?y=z"]
        {
            assert_eq!(check_url(text), Ok(()), "{text}");
        }
        for text in ["", "cloud", "ftp://x", "http://", "https:///x", "http://a b"] {
            assert!(check_url(text).is_err(), "{text}");
        }
    }
}
