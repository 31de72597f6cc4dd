//! Read-only queries. None scans the fleet but those that return all of it.

use std::sync::Arc;

use navarch_proto::{
    api::FleetEvent,
    fleet::{FleetSpec, PoolSpec, ProviderSpec, RequestKey, Settings},
};

use crate::{
    ids::{NodeId, NodeNumber},
    limits::{LONGEST_BACKOFF_MS, RETAIN_COMMANDS_MS, RETAIN_RULE_REMARKS_MS},
    model::{
        Adoption, Backoff, BackoffKey, GivenUpGpu, Instance, InstanceState, LastSeen, Node,
        NodeCommand, NodeHistory, Pool, PoolCounts, PoolMetrics, RuleRemark, RuleRemarkKey,
    },
    request_table::{Lookup, RequestId},
    state::{FleetState, Session},
    time::LogTime,
};

/// Time, session, configuration.
impl FleetState {
    /// The time of the last entry.
    pub fn log_time(&self) -> LogTime {
        self.log_time
    }

    /// The time of the last entry, in milliseconds since the Unix epoch.
    pub fn log_time_ms(&self) -> u64 {
        self.log_time.as_ms()
    }

    /// The leader's tenure that is open.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The cluster's id, with which every machine is labelled: that of the group, unless the fleet was restored
    /// from a snapshot of another one.
    pub fn cluster_id<'a>(&'a self, group_id: &'a str) -> &'a str {
        if self.machine_tag.is_empty() { group_id } else { &self.machine_tag }
    }

    /// Some while a fleet that was restored from a snapshot stands still.
    pub fn adoption(&self) -> Option<Adoption> {
        self.adoption
    }

    /// The configuration as it was applied, providers and pools ordered by name; none: never configured.
    pub fn spec(&self) -> Option<&Arc<FleetSpec>> {
        self.spec.as_ref()
    }

    /// The settings that hold, defaults filled in.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Raised by each change of the configuration; 0: never configured.
    pub fn spec_revision(&self) -> u64 {
        self.spec_revision
    }

    /// Raised by each change of the policy's text; a verdict carries it.
    pub fn policy_revision(&self) -> u64 {
        self.policy_revision
    }

    /// The health policy's text; empty: the built-in policy.
    pub fn policy_yaml(&self) -> &str {
        self.spec.as_ref().map_or("", |spec| &spec.policy_yaml)
    }

    /// A pool's configuration.
    pub fn pool_spec(&self, name: &str) -> Option<&PoolSpec> {
        let pools = &self.spec.as_ref()?.pools;
        pools.get(pools.binary_search_by(|pool| pool.name.as_str().cmp(name)).ok()?)
    }

    /// Whether a pool is in no file any more and goes when its machines are gone.
    pub fn is_retiring(&self, pool: &str) -> bool {
        self.pool_spec(pool).is_some_and(|spec| spec.retiring)
    }

    /// A provider's configuration.
    pub fn provider_spec(&self, name: &str) -> Option<&ProviderSpec> {
        let providers = &self.spec.as_ref()?.providers;
        providers.get(providers.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?)
    }
}

/// Nodes.
impl FleetState {
    /// One node.
    pub fn node(&self, id: &str) -> Option<&Arc<Node>> {
        self.nodes.get(id)
    }

    /// The node that a digest's number names.
    pub fn node_by_number(&self, number: NodeNumber) -> Option<&NodeId> {
        self.nodes.by_number(number)
    }

    /// The node that runs on an instance.
    pub fn node_of_instance(&self, instance_id: &str) -> Option<&Arc<Node>> {
        let instance = self.instances.get(instance_id)?;
        let node = self.nodes.get(instance.node_id.as_ref()?.as_str())?;
        (node.instance_id.as_ref() == Some(&instance.id)).then_some(node)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter()
    }

    /// The nodes whose id is greater, by id: the next page.
    pub fn nodes_after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Node>> {
        self.nodes.after(id)
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes that count towards a pool, by id.
    pub fn nodes_in_pool<'a>(
        &'a self,
        pool: &str,
    ) -> impl Iterator<Item = &'a Arc<Node>> + use<'a> {
        self.nodes.in_pool(pool)
    }

    /// How many nodes count towards a pool.
    pub fn node_count_in_pool(&self, pool: &str) -> usize {
        self.nodes.count_in_pool(pool)
    }

    /// The nodes whose status is not active, by id.
    pub fn nodes_wanting_attention(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.wanting_attention()
    }

    /// The nodes whose unhealthy verdict stands by `rule`, alone or with others, of `pool` or, if that is empty, of all;
    /// those whose machine is gone are past it.
    pub fn standing_verdicts<'a>(
        &'a self,
        rule: &'a str,
        pool: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Node>> {
        self.nodes.wanting_attention().filter(move |node| {
            let of_pool = node.pool.as_ref().is_some_and(|name| name.as_str() == pool);
            node.stands_unhealthy() && node.health.is_found_by(rule) && (pool.is_empty() || of_pool)
        })
    }

    /// When a node was last heard from, as of the last digest.
    pub fn last_seen(&self, number: NodeNumber) -> Option<LastSeen> {
        self.nodes.last_seen(number)
    }

    /// When all nodes were last heard from, by number: what a new leader starts with.
    pub fn all_last_seen(&self) -> impl Iterator<Item = (NodeNumber, LastSeen)> {
        self.nodes.all_last_seen()
    }
}

/// Health.
impl FleetState {
    /// The health events that a node reported lately; none: it reported none.
    pub fn history(&self, node: &str) -> Option<&Arc<NodeHistory>> {
        self.histories.get(node)
    }

    /// How many health events are remembered of all nodes.
    pub fn remembered_events(&self) -> usize {
        self.histories.events()
    }

    /// How many health events there was no room for, or no longer.
    pub fn displaced_events(&self) -> u64 {
        self.histories.displaced()
    }

    /// Whether the journal has a remark already, and wants no more of it for a while.
    pub fn has_rule_remark(&self, key: &RuleRemarkKey, now: LogTime) -> bool {
        let made = self.rule_remarks.get(key);
        made.is_some_and(|remark| remark.at.plus_ms(RETAIN_RULE_REMARKS_MS) > now)
    }

    /// What the journal has of rules that decided nothing, of the last hour and a little longer.
    pub fn rule_remarks(&self) -> impl Iterator<Item = (&RuleRemarkKey, &RuleRemark)> {
        self.rule_remarks.iter()
    }
}

/// Instances.
impl FleetState {
    /// One instance.
    pub fn instance(&self, id: &str) -> Option<&Arc<Instance>> {
        self.instances.get(id)
    }

    /// The instance of a provider's machine.
    pub fn instance_by_ref(&self, provider: &str, provider_ref: &str) -> Option<&Arc<Instance>> {
        self.instances.by_ref(provider, provider_ref)
    }

    /// An instance by our id or by the provider's, whichever it is.
    pub fn find_instance(&self, either_id: &str) -> Option<&Arc<Instance>> {
        self.instances.get(either_id).or_else(|| self.instances.by_any_ref(either_id))
    }

    /// All instances, by id.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.instances.iter()
    }

    /// The instances whose id is greater, by id: the next page.
    pub fn instances_after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Instance>> {
        self.instances.after(id)
    }

    /// How many instances there are.
    pub fn instance_count(&self) -> usize {
        self.instances.len()
    }

    /// A pool's instances, by id.
    pub fn instances_in_pool<'a>(
        &'a self,
        pool: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<Instance>> + use<'a> {
        self.instances.in_pool(pool)
    }

    /// The instances in a state, by id.
    pub fn instances_in_state(&self, state: InstanceState) -> impl Iterator<Item = &Arc<Instance>> {
        self.instances.in_state(state)
    }

    /// How many instances are in a state.
    pub fn instance_count_in_state(&self, state: InstanceState) -> usize {
        self.instances.count_in_state(state)
    }

    /// How many of a provider's machines are not known to be gone.
    pub fn machines_at(&self, provider: &str) -> u32 {
        self.instances.occupying(provider)
    }

    /// The pause of a provider for a region and a type; it may be over. For an order that leaves the region to the provider,
    /// those after bad machines count wherever they were bought.
    pub fn backoff(&self, key: &BackoffKey) -> Option<Backoff> {
        let exact = self.backoffs.get(key).copied();
        if !key.region.is_empty() {
            return exact;
        }
        let alike = |other: &BackoffKey| {
            other.provider == key.provider && other.instance_type == key.instance_type
        };
        let bad = self.backoffs.iter().filter(|(other, backoff)| backoff.bad_gpu && alike(other));
        bad.map(|(_, backoff)| *backoff).chain(exact).max_by_key(|backoff| backoff.until)
    }

    /// The GPUs that were given up on and that no machine may have yet, by UUID.
    pub fn given_up_gpus(&self) -> impl Iterator<Item = (&str, &GivenUpGpu)> {
        let remembered = self.given_up_gpus.iter().filter(|(_, gpu)| gpu.until > self.log_time);
        remembered.map(|(uuid, gpu)| (&**uuid, gpu))
    }

    /// One of them.
    pub fn given_up_gpu(&self, uuid: &str) -> Option<&GivenUpGpu> {
        self.given_up_gpus.get(uuid).filter(|gpu| gpu.until > self.log_time)
    }

    /// All pauses after capacity failures; some may be over.
    pub fn backoffs(&self) -> impl Iterator<Item = (&BackoffKey, Backoff)> {
        self.backoffs.iter().map(|(key, backoff)| (key, *backoff))
    }
}

/// Pools.
impl FleetState {
    /// One pool.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.get(name)
    }

    /// All pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values()
    }

    /// What was told of a pool from outside; some of it may have expired.
    pub fn pool_metrics(&self, name: &str) -> PoolMetrics {
        self.pool_metrics.get(name).copied().unwrap_or_default()
    }

    /// What a pool has.
    pub fn pool_counts(&self, name: &str) -> PoolCounts {
        self.instances.counts(name)
    }
}

/// Commands.
impl FleetState {
    /// One command.
    pub fn command(&self, id: &str) -> Option<&Arc<NodeCommand>> {
        self.commands.get(id)
    }

    /// A node's commands, in the order they were issued in; at most 200.
    pub fn commands_of(&self, node: &str) -> Vec<Arc<NodeCommand>> {
        let mut commands: Vec<Arc<NodeCommand>> =
            self.commands.open(node).chain(self.commands.finished(node)).cloned().collect();
        commands.sort_by_key(|command| command.sequence);
        commands
    }

    /// A node's commands that are not acknowledged, in the order they were issued in; at most 100.
    pub fn open_commands_of<'a>(
        &'a self,
        node: &str,
    ) -> impl Iterator<Item = &'a Arc<NodeCommand>> + use<'a> {
        self.commands.open(node)
    }
}

/// The journal.
impl FleetState {
    /// The fleet events after an index, oldest first, at most `limit`.
    pub fn events_since(&self, index: u64, limit: usize) -> impl Iterator<Item = &Arc<FleetEvent>> {
        self.journal.since(index, limit)
    }

    /// The index of the newest event; 0: there was none.
    pub fn last_event_index(&self) -> u64 {
        self.journal.next_index().saturating_sub(1)
    }

    /// The index of the oldest event that is kept; one above the newest if none is.
    pub fn first_event_index(&self) -> u64 {
        self.journal.first_index()
    }

    /// The index of the last event that all observers were told; 0: there never was an observer.
    pub fn observed_event_index(&self) -> u64 {
        self.observed_event_index
    }
}

/// What waits for a time.
impl FleetState {
    /// When `ExpireCommands` next has something to do.
    pub fn next_command_deadline(&self) -> Option<LogTime> {
        self.commands.deadlines().next().map(|(deadline, _)| deadline)
    }

    /// When `DropExpired` next has something to do.
    pub fn next_drop(&self) -> Option<LogTime> {
        let retain_ms = self.settings.retain_terminated_ms;
        let instance = self.instances.finished().next().map(|(at, _)| at.plus_ms(retain_ms));
        let command = self.commands.ends().next().map(|(at, _)| at.plus_ms(RETAIN_COMMANDS_MS));
        let backoff =
            self.backoffs.values().map(|backoff| backoff.until.plus_ms(LONGEST_BACKOFF_MS)).min();
        let gpu = self.given_up_gpus.values().map(|gpu| gpu.until).min();
        let request = self.requests.next_expiry();
        let metrics = self.pool_metrics.values().filter_map(PoolMetrics::next_expiry).min();
        let breaker = self.breakers.values().filter_map(|breaker| breaker.forgotten_at()).min();
        let history = self.histories.next_expiry();
        let remark = self.rule_remarks.values().map(|made| made.at.plus_ms(RETAIN_RULE_REMARKS_MS));
        [instance, command, backoff, gpu, breaker, request, metrics, history, remark.min()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether there is an outcome under that id, whatever the call was.
    pub fn remembers(&self, key: &RequestKey) -> bool {
        let id = RequestId {
            request_id: Arc::from(key.request_id.as_str()),
            method: Arc::from(key.method.as_str()),
            principal: Arc::from(key.principal.as_str()),
        };
        !matches!(self.requests.lookup(&id, &key.payload_hash, self.log_time), Lookup::New)
    }

    /// How many outcomes are remembered under their request ids.
    pub fn remembered_requests(&self) -> usize {
        self.requests.len()
    }
}
