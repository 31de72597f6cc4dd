use std::{
    net::{Ipv4Addr, TcpListener as StdListener},
    sync::Arc,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use navarch_host::TaskHandle;
use tokio::{net::TcpListener, sync::watch};

use super::{Effect, Party, Rule, RuleId, Touch, census::Census, connection::Port, rule::InForce};
use crate::{error::ChaosError, host::Host};

/// All proxies of a group, and the rules in force. They end with this value.
pub struct Links {
    host: Host,
    census: Arc<Census>,
    rules: watch::Sender<Vec<InForce>>,
    next: u64,
    tasks: Vec<TaskHandle>,
}

impl Links {
    /// No proxy yet, and no rule.
    pub fn new(host: &Host) -> Self {
        Self {
            host: host.clone(),
            census: Arc::default(),
            rules: watch::Sender::new(Vec::new()),
            next: 1,
            tasks: Vec::new(),
        }
    }

    /// Listens on loopback `port` for whoever calls `callee` at `target`, `host:port`.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub fn open(&mut self, port: u16, callee: Party, target: &str) -> Result<(), ChaosError> {
        let listen = || {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listener = listen().map_err(ChaosError::system(format!("listen before {callee}")))?;
        let port = Arc::new(Port {
            clock: self.host.clock.clone(),
            census: Arc::clone(&self.census),
            rules: self.rules.subscribe(),
            callee,
            target: target.to_owned(),
        });
        self.tasks.push(self.host.spawner.spawn("link", serve(listener, port)));
        Ok(())
    }

    /// Notes that process `id` is `party` from now on.
    pub fn enter(&self, id: u32, party: Party) {
        self.census.enter(id, party);
    }

    /// Puts a rule in force; what it meets is counted in the answer.
    pub fn add(&mut self, rule: Rule) -> (RuleId, Touch) {
        let (id, touch) = (RuleId(self.next), Touch::default());
        self.next += 1;
        let in_force = InForce { id, rule, touch: touch.clone() };
        self.rules.send_modify(|rules| rules.push(in_force));
        (id, touch)
    }

    /// Takes a rule away.
    pub fn remove(&self, id: RuleId) {
        self.rules.send_modify(|rules| rules.retain(|rule| rule.id != id));
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.rules.send_modify(Vec::clear);
    }

    /// The effects in force.
    pub fn effects(&self) -> Vec<Effect> {
        self.rules.borrow().iter().map(|rule| rule.rule.effect).collect()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.tasks.iter().for_each(TaskHandle::abort);
    }
}

async fn serve(listener: TcpListener, port: Arc<Port>) {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.push(Arc::clone(&port).carry(socket));
                }
            }
            Some(()) = connections.next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::proc::{free_ports, links::between};

    /// One that answers each byte with the next.
    fn echo(host: &Host, listener: TcpListener) -> TaskHandle {
        host.spawner.spawn("echo", async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut byte = [0];
                while let Ok(1) = socket.read(&mut byte).await {
                    byte[0] += 1;
                    if socket.write_all(&byte).await.is_err() {
                        break;
                    }
                }
            }
        })
    }

    async fn linked(host: &Host) -> (Links, TcpStream, TaskHandle) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let echo = echo(host, listener);
        let port = free_ports(1).unwrap()[0];
        let mut links = Links::new(host);
        links.open(port, Party::Replica(0), &target).unwrap();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        (links, client, echo)
    }

    async fn says(host: &Host, client: &mut TcpStream, limit: Duration) -> Option<u8> {
        let exchange = async {
            client.write_all(&[7]).await.ok()?;
            let mut byte = [0];
            (client.read(&mut byte).await.ok()? == 1).then_some(byte[0])
        };
        host.clock.timeout(limit, exchange).await.ok().flatten()
    }

    const SHORT: Duration = Duration::from_millis(150);
    const LONG: Duration = Duration::from_secs(10);

    /// Without it a cut in one direction would cut both, or lose what it should hold, or count what it never met.
    #[tokio::test]
    async fn one_direction_is_held_and_let_go() {
        let host = Host::system();
        let (mut links, mut client, echo) = linked(&host).await;
        assert_eq!(says(&host, &mut client, LONG).await, Some(8));
        let back = between(&[Party::Replica(0)], &[Party::Clients]);
        let (id, touch) = links.add(Rule { roads: back, effect: Effect::Stall });
        let elsewhere = between(&[Party::Replica(1)], &[Party::Clients]);
        let (_, untouched) = links.add(Rule { roads: elsewhere, effect: Effect::Stall });
        assert_eq!(says(&host, &mut client, SHORT).await, None);
        assert!(touch.count() > 0 && untouched.count() == 0);
        links.remove(id);
        let mut held = [0];
        let read = host.clock.timeout(LONG, client.read_exact(&mut held)).await;
        assert_eq!((read.unwrap().unwrap(), held), (1, [8]), "what was held arrives");
        assert_eq!(says(&host, &mut client, LONG).await, Some(8));
        echo.abort();
    }

    /// Without it a slow link would be none.
    #[tokio::test]
    async fn delays_count_in_each_direction() {
        let host = Host::system();
        let (mut links, mut client, echo) = linked(&host).await;
        let there = between(&[Party::Clients], &[Party::Replica(0)]);
        links.add(Rule { roads: there, effect: Effect::Delay(SHORT) });
        let begun = host.clock.now();
        assert_eq!(says(&host, &mut client, LONG).await, Some(8));
        assert!(host.clock.now().since(begun) >= SHORT);
        echo.abort();
    }

    /// Without it a reset would look like a black hole, and half a connection like none.
    #[tokio::test]
    async fn connections_are_reset_or_left_half_open() {
        let host = Host::system();
        let (mut links, mut client, echo) = linked(&host).await;
        assert_eq!(says(&host, &mut client, LONG).await, Some(8));
        let there = between(&[Party::Clients], &[Party::Replica(0)]);
        let rule = Rule { roads: there, effect: Effect::HalfOpen };
        let (id, touch) = links.add(rule.clone());
        assert_eq!(says(&host, &mut client, SHORT).await, None);
        assert_eq!(touch.count(), 1);
        let mut byte = [0];
        let heard = host.clock.timeout(SHORT, client.read(&mut byte)).await;
        assert!(heard.is_err(), "a half-open connection says nothing");
        links.remove(id);
        let (_, touch) = links.add(Rule { effect: Effect::Reset, ..rule });
        let ended = host.clock.timeout(LONG, client.read(&mut byte)).await.unwrap();
        assert!(!matches!(ended, Ok(1..)), "{ended:?}");
        drop(touch);
        echo.abort();
    }
}
