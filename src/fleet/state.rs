use std::{fmt, sync::Arc};

use imbl::OrdMap;
use navarch_proto::{
    api::FleetEvent,
    fleet::{Accepted, FleetSpec, Outcome, RequestKey, Settings, outcome},
};
use prost::Message as _;

use crate::{
    codec::{CheckedEnvelope, check_envelope},
    event::Context,
    ids::{CommandId, PoolName, SessionId},
    journal::Journal,
    model::{
        Adoption, Backoff, BackoffKey, Breaker, BreakerKey, GivenUpGpu, Pool, PoolMetrics,
        RuleRemark, RuleRemarkKey,
    },
    outcome::{Applied, ApplyFault, Refusal},
    proposal,
    request_table::{Lookup, Remembered, RequestId, RequestTable},
    settings::default_settings,
    table::{CommandTable, HistoryTable, InstanceTable, NodeTable},
    text::SharedTexts,
    time::LogTime,
};

/// How many outdated outcomes each new one displaces, so that the table shrinks without a sweep.
const EXPIRED_PER_INSERT: usize = 4;

/// One leader's tenure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The log index of its opening entry; 0: none was ever opened.
    pub id: SessionId,
    /// The replica that leads.
    pub replica: Arc<str>,
    /// Tells two starts of that replica apart.
    pub boot_id: Arc<str>,
    /// When it was opened.
    pub opened_at: LogTime,
}

/// Everything that the replicas agree on. A clone shares all of it and costs next to nothing, so that
/// readers and snapshots never hold up writes.
#[derive(Clone)]
pub struct FleetState {
    pub(crate) log_time: LogTime,
    pub(crate) session: Session,
    /// With which every machine is labelled; empty: the id of the group.
    pub(crate) machine_tag: Arc<str>,
    /// Some: the fleet stands still until an operator has looked.
    pub(crate) adoption: Option<Adoption>,
    pub(crate) spec: Option<Arc<FleetSpec>>,
    /// The specification's settings with defaults filled in.
    pub(crate) settings: Arc<Settings>,
    pub(crate) spec_revision: u64,
    pub(crate) policy_revision: u64,
    pub(crate) nodes: NodeTable,
    pub(crate) instances: InstanceTable,
    pub(crate) pools: OrdMap<PoolName, Arc<Pool>>,
    /// Of known pools only.
    pub(crate) pool_metrics: OrdMap<PoolName, PoolMetrics>,
    pub(crate) commands: CommandTable,
    pub(crate) backoffs: OrdMap<BackoffKey, Backoff>,
    /// GPUs that were given up on, by UUID.
    pub(crate) given_up_gpus: OrdMap<Arc<str>, GivenUpGpu>,
    /// Those that were opened or overridden.
    pub(crate) breakers: OrdMap<BreakerKey, Arc<Breaker>>,
    /// Health events of known nodes.
    pub(crate) histories: HistoryTable,
    /// What the journal has of rules that decided nothing.
    pub(crate) rule_remarks: OrdMap<RuleRemarkKey, RuleRemark>,
    pub(crate) requests: RequestTable,
    pub(crate) journal: Journal,
    /// The last fleet event that observers were told; 0: none ever was.
    pub(crate) observed_event_index: u64,
    pub(crate) texts: SharedTexts,
}

impl Default for FleetState {
    /// The state before the first entry.
    fn default() -> Self {
        Self {
            log_time: LogTime::default(),
            session: Session::default(),
            machine_tag: Arc::default(),
            adoption: None,
            spec: None,
            settings: Arc::new(default_settings()),
            spec_revision: 0,
            policy_revision: 0,
            nodes: NodeTable::default(),
            instances: InstanceTable::default(),
            pools: OrdMap::new(),
            pool_metrics: OrdMap::new(),
            commands: CommandTable::default(),
            backoffs: OrdMap::new(),
            given_up_gpus: OrdMap::new(),
            breakers: OrdMap::new(),
            histories: HistoryTable::default(),
            rule_remarks: OrdMap::new(),
            requests: RequestTable::default(),
            journal: Journal::default(),
            observed_event_index: 0,
            texts: SharedTexts::default(),
        }
    }
}

impl fmt::Debug for FleetState {
    /// The figures only: the records of a fleet do not belong into a log line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FleetState")
            .field("log_time", &self.log_time)
            .field("session", &self.session)
            .field("spec_revision", &self.spec_revision)
            .field("nodes", &self.nodes.len())
            .field("instances", &self.instances.len())
            .field("next_event", &self.journal.next_index())
            .finish_non_exhaustive()
    }
}

impl FleetState {
    /// Applies the log entry at `index`, whose payload is an encoded `Envelope`.
    ///
    /// The same entries in the same order make the same state and the same outcomes on every replica. A
    /// rejected proposal leaves every record as it was; only LogTime moves, its request is remembered, and
    /// a refused transition of an instance is journalled.
    ///
    /// # Errors
    ///
    /// An entry that this build does not understand: the replica must stop.
    pub fn apply(&mut self, index: u64, payload: &[u8]) -> Result<Applied, ApplyFault> {
        let envelope = check_envelope(index, payload)?;
        // The opening of a session tells time by a majority's clocks, not by its opener's.
        self.log_time = self.log_time.max(LogTime::from_ms(envelope.stamp_ms()));
        let request_id = envelope.request_id().to_owned();
        let actor = envelope.actor.clone();
        let mut context = Context::new(index, self.log_time, &actor, &request_id);
        let outcome = match self.admit(envelope, &mut context) {
            Ok(outcome) => outcome,
            Err(refusal) => self.refuse(refusal, &mut context),
        };
        let events = context.take_events();
        Ok(Applied { outcome, events: self.journal_all(events) })
    }

    /// The checks that come before every verb: not too late, not fenced, not answered before.
    fn admit(
        &mut self,
        envelope: CheckedEnvelope,
        context: &mut Context<'_>,
    ) -> Result<Outcome, Refusal> {
        self.check_deadline(envelope.not_after_ms)?;
        self.check_fence(envelope.session)?;
        let Some(key) = envelope.request else {
            let accepted = proposal::apply(envelope.kind, self, context)?;
            return Ok(self.accept(accepted));
        };
        let (id, payload_hash) = self.checked_request(&key)?;
        match self.requests.lookup(&id, &payload_hash, self.log_time) {
            Lookup::New => {}
            Lookup::Answered(remembered) => return Ok(decode_outcome(remembered)),
            Lookup::Mismatch => {
                return Err(Refusal::request_mismatch(format!(
                    "request id {:?} was used for another {} call in the last 5 minutes; give \
                     each call an id of its own",
                    id.request_id, id.method
                )));
            }
        }
        self.requests.drop_expired(self.log_time, EXPIRED_PER_INSERT);
        if self.requests.is_full() {
            return Err(Refusal::exhausted(format!(
                "{} outcomes of the last 5 minutes are remembered, which is the limit; try again \
                 in a minute",
                self.requests.len()
            )));
        }
        let outcome = match proposal::apply(envelope.kind, self, context) {
            Ok(accepted) => self.accept(accepted),
            Err(refusal) if is_final(&refusal) => self.refuse(refusal, context),
            Err(refusal) => return Err(refusal),
        };
        let encoded: Arc<[u8]> = Arc::from(outcome.encode_to_vec());
        self.requests.insert(id, Remembered { payload_hash, at: self.log_time, outcome: encoded });
        Ok(outcome)
    }

    fn check_deadline(&self, not_after_ms: u64) -> Result<(), Refusal> {
        match LogTime::optional(not_after_ms) {
            Some(not_after) if self.log_time > not_after => Err(Refusal::expired(format!(
                "the call was to take effect by {not_after}, and it is {}; nothing was done, \
                     call again",
                self.log_time
            ))),
            Some(_) | None => Ok(()),
        }
    }

    fn check_fence(&self, session: u64) -> Result<(), Refusal> {
        if session == 0 || SessionId(session) == self.session.id {
            return Ok(());
        }
        Err(Refusal::fenced(format!(
            "session {session} is over; the open one is {}, of replica {:?}",
            self.session.id, self.session.replica
        )))
    }

    fn checked_request(&mut self, key: &RequestKey) -> Result<(RequestId, [u8; 32]), Refusal> {
        for (word, text) in [
            ("request id", &key.request_id),
            ("principal of the request", &key.principal),
            ("method of the request", &key.method),
        ] {
            crate::ids::check_text(word, text).map_err(Refusal::from)?;
        }
        if key.request_id.is_empty() {
            return Err(Refusal::invalid("request id is empty; give one or no key at all"));
        }
        let payload_hash = <[u8; 32]>::try_from(&*key.payload_hash).map_err(|_| {
            Refusal::invalid(format!(
                "payload hash of the request is {} bytes long; BLAKE3 gives 32",
                key.payload_hash.len()
            ))
        })?;
        let id = RequestId {
            request_id: Arc::from(key.request_id.as_str()),
            method: self.texts.share(&key.method),
            principal: self.texts.share(&key.principal),
        };
        Ok((id, payload_hash))
    }

    fn accept(&self, accepted: Accepted) -> Outcome {
        let accepted = Accepted { log_time_ms: self.log_time.as_ms(), ..accepted };
        Outcome { result: Some(outcome::Result::Accepted(accepted)) }
    }

    /// A refusal is journalled where it asks for that, but not again and again.
    fn refuse(&self, refusal: Refusal, context: &mut Context<'_>) -> Outcome {
        debug_assert!(!context.has_events(), "validate first, then mutate");
        if let Some(event) = refusal.event
            && !self.journal.last().is_some_and(|last| event.repeats(last))
        {
            context.emit(*event);
        }
        Outcome { result: Some(outcome::Result::Rejection(refusal.rejection)) }
    }

    fn journal_all(&mut self, events: Vec<FleetEvent>) -> Vec<Arc<FleetEvent>> {
        events.into_iter().map(|event| self.journal.append(event)).collect()
    }

    /// A command id that no command bears.
    pub(crate) fn unused_command_id(&self, id: &str) -> Result<CommandId, Refusal> {
        let id = CommandId::new(id).map_err(Refusal::from)?;
        if self.commands.get(id.as_str()).is_some() {
            return Err(Refusal::already_exists(format!(
                "command {id} exists already; mint a new id for each command"
            )));
        }
        Ok(id)
    }
}

/// Whether a retry would be told the same. A stale proposal is made again, judged anew, under the same id.
fn is_final(refusal: &Refusal) -> bool {
    refusal.rejection.code() != navarch_proto::fleet::RejectionCode::Stale
}

fn decode_outcome(remembered: &Remembered) -> Outcome {
    // The bytes are our own encoding; a state that holds others does not load.
    Outcome::decode(&*remembered.outcome).unwrap_or_default()
}
