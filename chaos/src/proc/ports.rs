use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

use rand::RngExt as _;

/// Below the range from which the kernel takes the ports of outgoing connections: one of those could sit on a
/// replica's port while the replica is down.
const RANGE: Range<u16> = 20_000..32_000;

/// How many ports are tried.
const TRIES: usize = 1_000;

/// `count` loopback ports that nobody listens on, drawn by chance.
///
/// # Errors
///
/// If too few are found.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // Held until all are found, so that none is found twice.
    let mut held = BTreeMap::new();
    let mut random = rand::rng();
    for _ in 0..TRIES {
        if held.len() == count {
            return Ok(held.into_keys().collect());
        }
        let port = random.random_range(RANGE);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.insert(port, listener);
        }
    }
    let found = held.len();
    Err(io::Error::other(format!("{found} of {count} free ports found in {TRIES} tries")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it two replicas could be told to listen on one port.
    #[test]
    fn ports_are_free_and_distinct() {
        let mut ports = free_ports(8).unwrap();
        ports.dedup();
        assert_eq!(ports.len(), 8);
        assert!(ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()));
    }
}
