use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    process,
    sync::{Mutex, PoisonError},
};

use super::Party;

/// Which process is which party.
#[derive(Debug, Default)]
pub(super) struct Census(Mutex<BTreeMap<u32, Party>>);

impl Census {
    /// Notes that process `id` is `party` from now on, instead of what it had before.
    pub(super) fn enter(&self, id: u32, party: Party) {
        let mut roll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        roll.retain(|_, known| *known != party);
        roll.insert(id, party);
    }

    /// Whose socket it is that is bound to `near` and connected to `far`; `None` if it is closed by now.
    pub(super) fn owner(&self, near: SocketAddr, far: SocketAddr) -> Option<Party> {
        let (SocketAddr::V4(near), SocketAddr::V4(far)) = (near, far) else { return None };
        let inode = inode_of(&fs::read_to_string("/proc/net/tcp").ok()?, near, far)?;
        let link = format!("socket:[{inode}]");
        let roll = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = roll.into_iter().find(|(id, _)| holds(*id, &link)).map(|(_, party)| party);
        let own = || holds(process::id(), &link).then_some(Party::Clients);
        Some(known.or_else(own).unwrap_or(Party::Stranger))
    }
}

/// Whether process `id` has a descriptor of `link`.
fn holds(id: u32, link: &str) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
    entries
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link))
}

/// The inode of the socket from `near` to `far` in `/proc/net/tcp`.
fn inode_of(table: &str, near: SocketAddrV4, far: SocketAddrV4) -> Option<u64> {
    let (near, far) = (spelled(near), spelled(far));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ours = fields.next()? == near && fields.next()? == far;
        // After state, queues, timer, retransmissions, user and timeout.
        let inode: u64 = ours.then(|| fields.nth(6))??.parse().ok()?;
        (inode != 0).then_some(inode)
    })
}

/// An address as the kernel writes it: the four bytes as one number of this machine's order, and the port.
fn spelled(address: SocketAddrV4) -> String {
    let number = u32::from_ne_bytes(Ipv4Addr::octets(address.ip()));
    format!("{number:08X}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Without it a cut link could be somebody else's.
    #[test]
    fn the_kernel_tells_whose_socket_it_is() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let far = listener.local_addr().unwrap();
        let socket = TcpStream::connect(far).unwrap();
        let near = socket.local_addr().unwrap();
        let census = Census::default();
        assert_eq!(census.owner(near, far), Some(Party::Clients));
        census.enter(process::id(), Party::Replica(3));
        census.enter(process::id(), Party::Replica(1));
        assert_eq!(census.owner(near, far), Some(Party::Replica(1)));
        drop(socket);
        assert_eq!(census.owner(near, SocketAddr::from(([127, 0, 0, 1], 1))), None);
    }

    /// Without it another line of the table could be taken for ours.
    #[test]
    fn the_right_line_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:4E20 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 20 4 30 10 -1\n\
            1: 0100007F:9C40 0100007F:4E20 01 00000000:00000000 00:00000000 00000000  1000        0 78 1 0 20 4 30 10 -1\n";
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        assert_eq!(inode_of(table, at(40_000), at(20_000)), Some(78));
        assert_eq!(inode_of(table, at(20_000), at(40_000)), Some(77));
        assert_eq!(inode_of(table, at(1), at(40_000)), None);
    }
}
