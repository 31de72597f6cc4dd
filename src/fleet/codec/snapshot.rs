use std::io::{self, Write};

use navarch_proto::fleet::{self, Header, SnapshotItem, Trailer, snapshot_item::Item};
use prost::Message as _;

use super::{breaker, health, instance, node, node_command, pool};
use crate::state::FleetState;

/// The newest snapshot format that this build writes and reads.
pub const SNAPSHOT_FORMAT: u32 = 2;
/// What a fleet is written in that was never restored from a snapshot; the newer one adds the label of the machines
/// and adopt mode, which a reader of this one would drop.
const PLAIN_FORMAT: u32 = 1;

impl FleetState {
    /// Writes the whole state as length-delimited `SnapshotItem`s, ordered by kind and key: equal states are
    /// equal bytes. Small writes: hand in a buffered writer.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write_snapshot(&self, writer: &mut dyn Write) -> io::Result<()> {
        let mut items = ItemWriter { writer, buffer: Vec::new(), items: 0 };
        items.write(Item::Header(self.header()))?;
        if let Some(spec) = &self.spec {
            items.write(Item::Spec((**spec).clone()))?;
        }
        for record in self.nodes.iter() {
            items.write(Item::Node(node::to_record(record)))?;
        }
        for (number, seen) in self.nodes.all_last_seen() {
            items.write(Item::LastSeen(node::to_last_seen(number, seen)))?;
        }
        for record in self.instances.iter() {
            items.write(Item::Instance(instance::to_record(record)))?;
        }
        for record in self.pools.values() {
            items.write(Item::Pool(pool::to_record(record)))?;
        }
        for (name, metrics) in &self.pool_metrics {
            items.write(Item::PoolMetrics(pool::to_metrics(name, metrics)))?;
        }
        for record in self.commands.iter() {
            items.write(Item::Command(node_command::to_record(record)))?;
        }
        for (key, backoff) in &self.backoffs {
            items.write(Item::Backoff(instance::to_backoff(key, *backoff)))?;
        }
        for (uuid, gpu) in &self.given_up_gpus {
            items.write(Item::GivenUpGpu(instance::to_given_up_gpu(uuid, gpu)))?;
        }
        for (key, record) in &self.breakers {
            items.write(Item::Breaker(breaker::to_record(key, record)))?;
        }
        for (node, history) in self.histories.iter() {
            items.write(Item::NodeHistory(health::to_history(node, history)))?;
        }
        for (key, remark) in &self.rule_remarks {
            items.write(Item::RuleRemark(health::to_remark(key, remark)))?;
        }
        for (id, remembered) in self.requests.iter() {
            items.write(Item::Request(remembered.to_record(id)))?;
        }
        for event in self.journal.iter() {
            items.write(Item::Event((**event).clone()))?;
        }
        let trailer = Trailer { items: items.items };
        items.write(Item::Trailer(trailer))
    }

    /// BLAKE3 of the snapshot: equal on replicas that applied the same entries. Goes through everything.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = HashWriter(blake3::Hasher::new());
        // A hasher takes whatever it is given.
        let written = self.write_snapshot(&mut hasher);
        debug_assert!(written.is_ok());
        *hasher.0.finalize().as_bytes()
    }

    fn header(&self) -> Header {
        let restored = !self.machine_tag.is_empty() || self.adoption.is_some();
        Header {
            format: if restored { SNAPSHOT_FORMAT } else { PLAIN_FORMAT },
            log_time_ms: self.log_time.as_ms(),
            session: self.session.id.0,
            session_replica: self.session.replica.to_string(),
            session_opened_ms: self.session.opened_at.as_ms(),
            spec_revision: self.spec_revision,
            policy_revision: self.policy_revision,
            next_node_number: self.nodes.next_number(),
            next_event_index: self.journal.next_index(),
            session_boot_id: self.session.boot_id.to_string(),
            observed_event_index: self.observed_event_index,
            machine_tag: self.machine_tag.to_string(),
            events_displaced: self.histories.displaced(),
            adoption: self.adoption.map(|adoption| fleet::Adoption {
                snapshot_index: adoption.snapshot_index,
                snapshot_ms: adoption.snapshot_at.as_ms(),
                restored_ms: adoption.restored_ms,
                adopted: adoption.adopted,
            }),
        }
    }
}

struct ItemWriter<'a> {
    writer: &'a mut dyn Write,
    buffer: Vec<u8>,
    items: u64,
}

impl ItemWriter<'_> {
    fn write(&mut self, item: Item) -> io::Result<()> {
        self.buffer.clear();
        SnapshotItem { item: Some(item) }
            .encode_length_delimited(&mut self.buffer)
            .map_err(io::Error::other)?;
        self.items += 1;
        self.writer.write_all(&self.buffer)
    }
}

/// The hasher as a writer.
struct HashWriter(blake3::Hasher);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
