use std::time::Duration;

use navarch::client::{CallOptions, Client, rpc::ListPools};
use navarch_host::Chance;
use navarch_proto::api;
use tokio::sync::watch;

use super::{
    cloud::Market,
    network::address_of,
    peace::Peace,
    replica::{MAXIMA, PORT},
    trace::Trace,
    unrest::Unrest,
};
use crate::{
    error::ChaosError,
    evidence::{Evidence, group},
    host::Host,
    invariants::{self, Invariant},
    load::{Follower, Workload, WorkloadOptions, conclude},
    members::Members,
    operator::Operator,
    record::InvariantRecord,
    wait::until,
};

/// How long a new group may take to serve.
const FORM_LIMIT: Duration = Duration::from_secs(30);
/// How long clients go on after all is healed.
const AFTERMATH: Duration = Duration::from_secs(3);
/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(10);

/// What must hold of the fleet, beside what must hold of what clients write.
const OF_THE_FLEET: [&dyn Invariant; 8] = [
    &invariants::BoughtOnce,
    &invariants::IntentFirst,
    &invariants::NoMassReplacement,
    &invariants::NothingLeaks,
    &invariants::OneSessionActs,
    &invariants::OrderedWithinTarget,
    &invariants::TerminateReason,
    &invariants::WithinMaximum,
];

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) machines: usize,
    pub(super) invariants: Vec<InvariantRecord>,
    /// What must not be.
    pub(super) violations: Vec<String>,
}

/// Clients and judge of one run; on a host of their own.
pub(super) struct Judge {
    pub(super) host: Host,
    /// A client of each replica alone.
    pub(super) replicas: Vec<(String, Client)>,
    pub(super) market: Market,
    pub(super) chance: Chance,
    pub(super) trace: Trace,
    /// Turns true once all is healed.
    pub(super) healed: watch::Receiver<bool>,
}

impl Judge {
    /// Loads the group until all is healed, and then judges it.
    pub(super) async fn run(self) -> Result<Judgement, ChaosError> {
        let client = self.client()?;
        until(&self.host, "the first answer", FORM_LIMIT, || async {
            let asked = client.call::<ListPools>(api::ListPoolsRequest {}, &options()).await;
            asked.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        self.trace.tell(format_args!("the group serves"));
        let load = WorkloadOptions {
            writers: 3,
            write_pause: Duration::from_millis(250),
            // The fleet loses nodes that do not beat one by one, and those of pools would wait for their turn.
            new_nodes: 0,
            read_pause: Duration::from_millis(150),
        };
        let follower = Follower::start(&self.host, client.clone(), 0);
        let workload = Workload::start(&self.host, &self, load)?;
        let unrest = Unrest {
            operator: Operator::new(client.clone()),
            market: self.market.clone(),
            clock: self.host.clock.clone(),
            chance: self.chance.clone(),
        };
        let mut healed = self.healed.clone();
        tokio::select! {
            // The sender lives as long as the simulation.
            _ = healed.wait_for(|healed| *healed) => {}
            () = unrest.run() => {}
        }
        self.host.clock.sleep(AFTERMATH).await;
        let history = workload.stop().await;
        self.trace.tell(format_args!("clients have stopped"));
        let (host, market, trace) = (&self.host, &self.market, &self.trace);
        let operator = Operator::new(client.clone());
        let settled = Peace { host, operator, market, trace }.settle().await;
        let checked = conclude(&self.host, &self, &history, follower).await?;
        self.trace.tell(format_args!("state {} at {}", checked.state_hash, checked.applied_index));
        let evidence = self.evidence(&client).await?;
        for event in evidence.journal() {
            self.trace.note(format_args!("{event:?}"));
        }
        let counts = history.counts();
        let of_the_fleet = invariants::judge(&OF_THE_FLEET, &evidence);
        let mut violations = checked.beside(&history);
        // What clients saw is always there to be judged; of the fleet a run may have nothing to show.
        violations.extend(invariants::unmet(&checked.invariants));
        violations.extend(invariants::complaints(&of_the_fleet));
        violations.extend(settled.err().map(|error| error.to_string()));
        Ok(Judgement {
            writes: counts.writes,
            reads: counts.reads,
            machines: evidence.ledger.as_ref().map_or(0, Vec::len),
            invariants: [checked.invariants, of_the_fleet].concat(),
            violations,
        })
    }

    async fn evidence(&self, client: &Client) -> Result<Evidence, ChaosError> {
        Ok(Evidence {
            journals: group::journals(self).await?,
            ledger: Some(self.market.ledger()),
            machines: Some(self.market.live().into_keys().collect()),
            instances: Some(group::instances(client).await?),
            pools: Some(group::pools(client).await?),
            maxima: MAXIMA.map(|(pool, most)| (pool.to_owned(), most)).into(),
            ..Evidence::default()
        })
    }
}

/// Where clients reach replica `index`.
pub(super) fn address(index: usize) -> String {
    format!("{}:{PORT}", address_of(index))
}

impl Members for Judge {
    fn count(&self) -> usize {
        self.replicas.len()
    }

    fn name(&self, index: usize) -> &str {
        &self.replicas[index].0
    }

    fn client_of(&self, index: usize) -> Client {
        self.replicas[index].1.clone()
    }

    fn client(&self) -> Result<Client, ChaosError> {
        let addresses: Vec<_> = (0..self.count()).map(address).collect();
        self.host.client(&addresses)
    }
}

fn options() -> CallOptions {
    CallOptions::within(LIMIT)
}
