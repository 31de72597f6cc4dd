use super::{
    Group, Place,
    group::MOST_REPLICAS,
    links::{Links, Party},
};
use crate::error::ChaosError;

/// Ports of processes come first, then those of proxies.
const OWN_PORTS: usize = 2 * MOST_REPLICAS + 1;

impl Group {
    /// The network between all processes, if the group was started with one that can be struck.
    pub fn links(&mut self) -> Option<&mut Links> {
        self.links.as_mut()
    }

    /// Where replicas reach the fake cloud, `host:port`.
    pub(super) fn cloud_reach(&self) -> String {
        match self.links {
            None => self.cloud_address(),
            Some(_) => format!("127.0.0.1:{}", self.ports[OWN_PORTS + 2 * MOST_REPLICAS]),
        }
    }

    pub(super) fn start_links(&mut self) -> Result<(), ChaosError> {
        if !self.options.linked {
            return Ok(());
        }
        let mut links = Links::new(&self.host);
        if self.options.cloud.is_some() {
            let port = self.ports[OWN_PORTS + 2 * MOST_REPLICAS];
            links.open(port, Party::Cloud, &self.cloud_address())?;
        }
        self.links = Some(links);
        Ok(())
    }

    /// Puts proxies before replica `index`.
    pub(super) fn open_links(&mut self, index: usize, place: &Place) -> Result<(), ChaosError> {
        let at = OWN_PORTS + 2 * index;
        let (port, peer_port) = (self.ports[at], self.ports[at + 1]);
        let Some(links) = &mut self.links else { return Ok(()) };
        let callee = Party::Replica(index);
        links.open(port, callee, &place.address)?;
        links.open(peer_port, callee, &place.peer_address)
    }

    pub(super) fn enter(&self, id: Option<u32>, party: Party) {
        if let (Some(links), Some(id)) = (&self.links, id) {
            links.enter(id, party);
        }
    }
}
