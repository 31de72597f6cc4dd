use std::{
    io::{self, Read},
    sync::Arc,
};

use navarch_proto::{
    api::FleetEvent,
    fleet::{Header, Outcome, RequestRecord, SnapshotItem, snapshot_item::Item},
};
use prost::Message as _;

use super::{
    breaker, health, instance, node, node_command, pool,
    record::{RecordError, SnapshotError},
    snapshot::SNAPSHOT_FORMAT,
};
use crate::{
    ids::SessionId,
    limits::MAX_SNAPSHOT_ITEM_BYTES,
    model::Adoption,
    request_table::{Remembered, RequestId},
    settings::effective,
    state::{FleetState, Session},
    time::LogTime,
};

/// Counters go on from a snapshot's by one at a time; a larger one is damage, and could run over.
const MAX_COUNT: u64 = u64::MAX >> 1;

impl FleetState {
    /// Reads what [`FleetState::write_snapshot`] wrote, up to and with its last item. Small reads: hand in a
    /// buffered reader.
    ///
    /// # Errors
    ///
    /// The reader's, and whatever is no snapshot that this build understands.
    pub fn read_snapshot(reader: &mut dyn Read) -> Result<Self, SnapshotError> {
        let mut items = ItemReader { reader, buffer: Vec::new(), items: 0 };
        let (mut state, next_event_index) = match items.next()? {
            Item::Header(header) => (with_header(&header)?, header.next_event_index),
            _ => return Err(items.misplaced("the first one must be the header")),
        };
        let mut rank = 1;
        loop {
            let item = items.next()?;
            let kind = rank_of(&item);
            if kind < rank {
                return Err(items.misplaced("its kind comes earlier"));
            }
            rank = kind;
            if let Item::Trailer(trailer) = &item {
                if trailer.items != items.place() {
                    return Err(items.misplaced("the trailer counts another number of items"));
                }
                if state.journal.next_index() != next_event_index {
                    return Err(items.misplaced("the header counts another number of events"));
                }
                return Ok(state);
            }
            state.restore(item).map_err(|error| items.invalid(&error))?;
        }
    }

    fn restore(&mut self, item: Item) -> Result<(), RecordError> {
        match item {
            Item::Header(_) | Item::Trailer(_) => {
                return Err(RecordError::Other("a second header or trailer".to_owned()));
            }
            Item::Spec(spec) => {
                if let Some(settings) = &spec.settings {
                    self.settings = Arc::new(effective(settings));
                }
                self.spec = Some(Arc::new(spec));
            }
            Item::Node(record) => self.restore_node(&record)?,
            Item::LastSeen(record) => {
                let (number, seen) = node::from_last_seen(record);
                self.nodes.see(number, seen);
            }
            Item::Instance(record) => {
                let record = instance::from_record(record, &mut self.texts)?;
                absent(&record.id, self.instances.get(record.id.as_str()).is_none())?;
                self.instances.insert(record);
            }
            Item::Pool(record) => {
                let record = pool::from_record(&record)?;
                absent(&record.name, !self.pools.contains_key(record.name.as_str()))?;
                self.pools.insert(record.name.clone(), Arc::new(record));
            }
            Item::PoolMetrics(record) => {
                let (name, metrics) = pool::from_metrics(&record)?;
                absent(&name, !self.pool_metrics.contains_key(name.as_str()))?;
                self.pool_metrics.insert(name, metrics);
            }
            Item::Command(record) => {
                let record = node_command::from_record(record, &mut self.texts)?;
                absent(&record.id, self.commands.get(record.id.as_str()).is_none())?;
                self.commands.insert(record);
            }
            Item::Backoff(record) => {
                let (key, backoff) = instance::from_backoff(&record, &mut self.texts)?;
                self.backoffs.insert(key, backoff);
            }
            Item::GivenUpGpu(record) => {
                let (uuid, gpu) = instance::from_given_up_gpu(&record);
                self.given_up_gpus.insert(uuid, gpu);
            }
            Item::NodeHistory(record) => self.restore_history(&record)?,
            Item::RuleRemark(record) => {
                let (key, remark) = health::from_remark(&record, &mut self.texts)?;
                self.rule_remarks.insert(key, remark);
            }
            Item::Breaker(record) => {
                let (key, record) = breaker::from_record(record)?;
                absent(&key, !self.breakers.contains_key(&key))?;
                self.breakers.insert(key, Arc::new(record));
            }
            Item::Request(record) => self.restore_request(record)?,
            Item::Event(event) => self.restore_event(event)?,
        }
        Ok(())
    }

    fn restore_node(
        &mut self,
        record: &navarch_proto::fleet::NodeRecord,
    ) -> Result<(), RecordError> {
        let node = node::from_record(record, &mut self.texts)?;
        absent(&node.id, self.nodes.get(node.id.as_str()).is_none())?;
        absent(&node.number, self.nodes.by_number(node.number).is_none())?;
        let next = self.nodes.next_number();
        if node.number.0 >= next {
            // It would be given to another node as well, and one would beat for both.
            return Err(RecordError::Other(format!(
                "node {} has number {}, and the header says that {next} is the next",
                node.id, node.number
            )));
        }
        self.nodes.insert(node);
        Ok(())
    }

    /// Nodes come before their histories.
    fn restore_history(
        &mut self,
        record: &navarch_proto::fleet::NodeHistory,
    ) -> Result<(), RecordError> {
        let (node, history) = health::from_history(record)?;
        if self.nodes.get(node.as_str()).is_none() {
            return Err(RecordError::Other(format!(
                "the history of node {node}, which is unknown"
            )));
        }
        absent(&node, self.histories.get(node.as_str()).is_none())?;
        self.histories.put(node, history);
        Ok(())
    }

    fn restore_request(&mut self, record: RequestRecord) -> Result<(), RecordError> {
        let key =
            record.key.ok_or_else(|| RecordError::Other("a request without its key".to_owned()))?;
        let payload_hash = <[u8; 32]>::try_from(&*key.payload_hash)
            .map_err(|_| RecordError::Other("a payload hash that is not 32 bytes".to_owned()))?;
        Outcome::decode(&*record.outcome)
            .map_err(|error| RecordError::Other(format!("outcome does not decode: {error}")))?;
        let id = RequestId {
            request_id: Arc::from(key.request_id),
            method: self.texts.share(&key.method),
            principal: self.texts.share(&key.principal),
        };
        let at = LogTime::from_ms(record.at_ms);
        let outcome = Arc::from(&*record.outcome);
        self.requests.insert(id, Remembered { payload_hash, at, outcome });
        Ok(())
    }

    /// Events come last, in order; the header says which index follows them.
    fn restore_event(&mut self, event: FleetEvent) -> Result<(), RecordError> {
        if event.index > MAX_COUNT {
            let index = event.index;
            return Err(RecordError::Other(format!("event {index}, which no fleet comes to")));
        }
        let is_first = self.journal.last().is_none();
        let end = self.journal.next_index();
        if is_first {
            self.journal.set_next_index(event.index);
        } else if event.index != end {
            return Err(RecordError::Other(format!("event {} follows {}", event.index, end - 1)));
        }
        self.journal.append(event);
        Ok(())
    }
}

fn with_header(header: &Header) -> Result<FleetState, SnapshotError> {
    if !(1..=SNAPSHOT_FORMAT).contains(&header.format) {
        return Err(SnapshotError::UnknownFormat { format: header.format, known: SNAPSHOT_FORMAT });
    }
    for (word, count) in [
        ("the revision of its configuration", header.spec_revision),
        ("the revision of its policy", header.policy_revision),
        ("its next event", header.next_event_index),
        ("its displaced events", header.events_displaced),
    ] {
        if count > MAX_COUNT {
            let message = format!("{word} is {count}, which no fleet comes to");
            return Err(SnapshotError::Invalid { item: 0, message });
        }
    }
    let mut state = FleetState {
        log_time: LogTime::from_ms(header.log_time_ms),
        session: Session {
            id: SessionId(header.session),
            replica: Arc::from(header.session_replica.as_str()),
            boot_id: Arc::from(header.session_boot_id.as_str()),
            opened_at: LogTime::from_ms(header.session_opened_ms),
        },
        machine_tag: Arc::from(header.machine_tag.as_str()),
        adoption: header.adoption.as_ref().map(|adoption| Adoption {
            snapshot_index: adoption.snapshot_index,
            snapshot_at: LogTime::from_ms(adoption.snapshot_ms),
            restored_ms: adoption.restored_ms,
            adopted: adoption.adopted,
        }),
        spec_revision: header.spec_revision,
        policy_revision: header.policy_revision,
        observed_event_index: header.observed_event_index,
        ..FleetState::default()
    };
    state.nodes.set_next_number(header.next_node_number);
    state.histories.set_displaced(header.events_displaced);
    state.journal.set_next_index(header.next_event_index);
    Ok(state)
}

/// That a record does not come twice.
fn absent(id: &impl std::fmt::Display, is_absent: bool) -> Result<(), RecordError> {
    if is_absent { Ok(()) } else { Err(RecordError::Other(format!("{id} comes twice"))) }
}

/// The order of the kinds.
fn rank_of(item: &Item) -> u8 {
    match item {
        Item::Header(_) => 0,
        Item::Spec(_) => 1,
        Item::Node(_) => 2,
        Item::LastSeen(_) => 3,
        Item::Instance(_) => 4,
        Item::Pool(_) => 5,
        Item::PoolMetrics(_) => 6,
        Item::Command(_) => 7,
        Item::Backoff(_) => 8,
        Item::GivenUpGpu(_) => 9,
        Item::Breaker(_) => 10,
        Item::NodeHistory(_) => 11,
        Item::RuleRemark(_) => 12,
        Item::Request(_) => 13,
        Item::Event(_) => 14,
        Item::Trailer(_) => 15,
    }
}

struct ItemReader<'a> {
    reader: &'a mut dyn Read,
    buffer: Vec<u8>,
    items: u64,
}

impl ItemReader<'_> {
    fn next(&mut self) -> Result<Item, SnapshotError> {
        let length = self.length()?;
        let too_long = || SnapshotError::ItemTooLong {
            item: self.items,
            length,
            limit: MAX_SNAPSHOT_ITEM_BYTES,
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_SNAPSHOT_ITEM_BYTES)
            .ok_or_else(too_long)?;
        self.buffer.resize(length, 0);
        self.reader.read_exact(&mut self.buffer).map_err(|error| self.cut_off(error))?;
        let item = SnapshotItem::decode(self.buffer.as_slice())
            .map_err(|error| SnapshotError::Undecodable {
                item: self.items,
                message: error.to_string(),
            })?
            .item;
        self.items += 1;
        item.ok_or_else(|| SnapshotError::Undecodable {
            item: self.place(),
            message: "its kind is not known to this build; upgrade this replica".to_owned(),
        })
    }

    /// A length is a variable-length integer of at most ten bytes.
    fn length(&mut self) -> Result<u64, SnapshotError> {
        let mut length = 0_u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte).map_err(|error| self.cut_off(error))?;
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(length);
            }
        }
        let limit = MAX_SNAPSHOT_ITEM_BYTES;
        Err(SnapshotError::ItemTooLong { item: self.items, length: u64::MAX, limit })
    }

    fn cut_off(&self, error: io::Error) -> SnapshotError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            SnapshotError::CutOff { items: self.items }
        } else {
            SnapshotError::Read(error)
        }
    }

    /// The place of the item read last, from 0.
    fn place(&self) -> u64 {
        self.items.saturating_sub(1)
    }

    fn misplaced(&self, message: &str) -> SnapshotError {
        SnapshotError::Misplaced { item: self.place(), message: message.to_owned() }
    }

    fn invalid(&self, error: &RecordError) -> SnapshotError {
        SnapshotError::Invalid { item: self.place(), message: error.to_string() }
    }
}
