use std::sync::Arc;

use navarch_host::Clock;
use tokio::{net::TcpStream, sync::watch};

use super::{
    Party,
    census::Census,
    pump::Pump,
    rule::{InForce, Road},
};

/// What all connections of a port need.
pub(super) struct Port {
    pub(super) clock: Clock,
    pub(super) census: Arc<Census>,
    pub(super) rules: watch::Receiver<Vec<InForce>>,
    /// Who listens behind it.
    pub(super) callee: Party,
    /// Where, `host:port`.
    pub(super) target: String,
}

/// What ends a connection from without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Reset,
    HalfOpen,
}

impl Port {
    /// Carries one connection to its end.
    pub(super) async fn carry(self: Arc<Self>, mut near: TcpStream) {
        let ends = near.peer_addr().and_then(|caller| Ok((caller, near.local_addr()?)));
        let owner = ends.ok().and_then(|(caller, own)| self.census.owner(caller, own));
        // Whoever has closed it by now wants nothing.
        let Some(caller) = owner else { return };
        // A connection begins with a word there and one back: a stalled road lets none through.
        if self.blow(caller).is_some() {
            return self.reset(caller, near, None);
        }
        let Ok(mut far) = TcpStream::connect(&self.target).await else { return };
        for socket in [&near, &far] {
            // A delay of the kernel's own would be taken for one of the program's.
            let _ = socket.set_nodelay(true);
        }
        let blow = {
            let (near_read, near_write) = near.split();
            let (far_read, far_write) = far.split();
            let there = self.pump(caller, self.callee).run(near_read, far_write);
            let back = self.pump(self.callee, caller).run(far_read, near_write);
            tokio::select! {
                // One direction may end before the other; one that fails ends both.
                ended = async { futures::try_join!(there, back) } => {
                    drop(ended);
                    None
                }
                blow = self.next_blow(caller) => Some(blow),
            }
        };
        match blow {
            None => {}
            Some(Blow::Reset) => self.reset(caller, near, Some(far)),
            Some(Blow::HalfOpen) => {
                self.touch(caller);
                drop(far);
                let mut rules = self.rules.clone();
                // The caller holds a connection that nobody answers.
                while self.blow(caller) == Some(Blow::HalfOpen) && rules.changed().await.is_ok() {}
            }
        }
    }

    fn pump(&self, from: Party, to: Party) -> Pump {
        Pump { clock: self.clock.clone(), from, to, rules: self.rules.clone() }
    }

    /// What strikes the connections of `caller` now.
    fn blow(&self, caller: Party) -> Option<Blow> {
        let rules = self.rules.borrow();
        let roads = self.roads(&rules, caller);
        if roads.iter().any(|road| road.reset) {
            return Some(Blow::Reset);
        }
        roads.iter().any(|road| road.half_open).then_some(Blow::HalfOpen)
    }

    async fn next_blow(&self, caller: Party) -> Blow {
        let mut rules = self.rules.clone();
        loop {
            rules.mark_unchanged();
            if let Some(blow) = self.blow(caller) {
                return blow;
            }
            if rules.changed().await.is_err() {
                return Blow::Reset;
            }
        }
    }

    fn reset(&self, caller: Party, near: TcpStream, far: Option<TcpStream>) {
        self.touch(caller);
        for socket in [Some(near), far].into_iter().flatten() {
            // Without a linger time the kernel says "reset" in place of "end".
            let _ = socket.set_zero_linger();
        }
    }

    fn touch(&self, caller: Party) {
        self.roads(&self.rules.borrow(), caller).iter().for_each(Road::touch);
    }

    fn roads(&self, rules: &[InForce], caller: Party) -> [Road; 2] {
        [Road::of(rules, caller, self.callee), Road::of(rules, self.callee, caller)]
    }
}
