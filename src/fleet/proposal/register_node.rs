use std::sync::Arc;

use navarch_proto::{
    api::{GpuInfo, NodeMetadata, RegisterNodeRequest},
    fleet::{Accepted, NodeInventory, RegisterNode},
};

use super::{matching, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{NodeId, NodeNumber, PoolName, Revision, check_text},
    limits::{MAX_GPUS, MAX_ID_BYTES, MAX_LABEL_BYTES, MAX_LABELS},
    model::{
        Administrative, EarlierRequests, Health, INSTANCE_LABEL, Instance, Liveness, Node,
        POOL_LABEL, inventory,
    },
    outcome::Refusal,
    state::FleetState,
};

/// Creates or refreshes a node's record. It keeps all three facts; a retry under the same request id
/// changes nothing, for as long as retries are remembered.
pub(super) fn apply(
    proposal: RegisterNode,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let mut request = proposal
        .request
        .ok_or_else(|| Refusal::invalid("the registration carries no node; send one"))?;
    let id = NodeId::new(&request.node_id)?;
    check_text("request id", &proposal.request_id)?;
    let known = state.nodes.get(id.as_str()).cloned();
    if let Some(node) = &known
        && !proposal.request_id.is_empty()
        && (*node.last_request_id == *proposal.request_id
            || node.earlier_requests.has(&proposal.request_id, context.now))
    {
        return Ok(shared::accepted_node(state, id.as_str()));
    }
    check(&request)?;
    let pool = label(&request, POOL_LABEL)
        .map(|name| PoolName::shared(state.texts.share(name)))
        .transpose()?;
    let instance = matching::find(state, &request, known.as_deref());
    check_instance(&id, instance.as_deref(), known.as_deref())?;
    let registration = Registration {
        gpu_count: u32::try_from(request.gpus.len()).unwrap_or(u32::MAX),
        inventory: take_inventory(&mut request),
        request,
        request_id: proposal.request_id,
        pool,
        instance,
    };
    match known {
        Some(node) => {
            refresh(registration, &node, state, context);
            Ok(shared::accepted_node(state, id.as_str()))
        }
        None => create(registration, id, state, context),
    }
}

/// A registration that passed its checks.
struct Registration {
    /// What is left of the call: all but the inventory.
    request: RegisterNodeRequest,
    /// Packed.
    inventory: Vec<u8>,
    gpu_count: u32,
    request_id: String,
    /// The pool that the agent names.
    pool: Option<PoolName>,
    /// The instance that it runs on.
    instance: Option<Arc<Instance>>,
}

/// GPUs and metadata, packed.
fn take_inventory(request: &mut RegisterNodeRequest) -> Vec<u8> {
    let gpus = std::mem::take(&mut request.gpus);
    let metadata = request.metadata.take();
    inventory::pack(NodeInventory { gpus, metadata, common: None })
}

/// A label's value, if it has one.
fn label<'a>(request: &'a RegisterNodeRequest, key: &str) -> Option<&'a str> {
    let value = request.metadata.as_ref()?.labels.get(key)?;
    (!value.is_empty()).then_some(value)
}

fn create(
    registration: Registration,
    id: NodeId,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let limit = state.settings.max_registered_nodes;
    if state.nodes.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(Refusal::exhausted(format!(
            "{} nodes are registered, and the limit is {limit}; forget nodes that are gone or raise \
             max_registered_nodes",
            state.nodes.len()
        )));
    }
    let number = state
        .nodes
        .mint_number()
        .ok_or_else(|| Refusal::exhausted("all 4,294,967,295 node numbers are used up"))?;
    let mut node = blank(id, number);
    fill(&mut node, &registration, state, context);
    let event = Event::new(EventKind::NodeRegistered, Subject::Node(node.id.as_str()))
        .change("pool", "", node.pool.as_ref().map_or("", PoolName::as_str))
        .change("status", "", "active");
    context.emit(event);
    let (id, accepted) = (node.id.clone(), shared::accepted_of(&node));
    state.nodes.insert(node);
    let Some(instance) = registration.instance else {
        return Ok(accepted);
    };
    matching::join(state, context, &id, &instance);
    Ok(shared::accepted_node(state, id.as_str()))
}

fn refresh(
    registration: Registration,
    before: &Node,
    state: &mut FleetState,
    context: &mut Context<'_>,
) {
    let mut after = before.clone();
    fill(&mut after, &registration, state, context);
    let event = Event::new(EventKind::NodeRegistered, Subject::Node(before.id.as_str()))
        .change("incarnation", before.incarnation, after.incarnation)
        .change("provider", &before.provider, &after.provider)
        .change("region", &before.region, &after.region)
        .change("zone", &before.zone, &after.zone)
        .change("instance_type", &before.instance_type, &after.instance_type)
        .change("gpus", before.gpu_count, after.gpu_count);
    context.emit(event);
    if before.instance_id.is_some() {
        after.pool.clone_from(&before.pool);
    }
    state.nodes.update(before.id.as_str(), |node| *node = after);
    if let Some(instance) = registration.instance
        && before.instance_id.as_ref() != Some(&instance.id)
    {
        matching::undo_join(state, context, &before.id, "the agent names another instance");
        matching::join(state, context, &before.id, &instance);
    }
}

/// A node that nobody has said anything of.
fn blank(id: NodeId, number: NodeNumber) -> Node {
    Node {
        id,
        number,
        provider: Arc::default(),
        region: Arc::default(),
        zone: Arc::default(),
        instance_type: Arc::default(),
        inventory: Arc::default(),
        gpu_count: 0,
        pool: None,
        instance_id: None,
        incarnation: 0,
        revision: Revision(1),
        registered_at: crate::time::LogTime::default(),
        last_request_id: Arc::default(),
        earlier_requests: EarlierRequests::default(),
        last_report_id: Arc::default(),
        earlier_reports: EarlierRequests::default(),
        administrative: Administrative::Active,
        administrative_reason: Arc::default(),
        health: Health::default(),
        liveness: Liveness::Beating,
    }
}

/// Takes over what the agent says; the three facts stay.
fn fill(
    node: &mut Node,
    registration: &Registration,
    state: &mut FleetState,
    context: &Context<'_>,
) {
    let request = &registration.request;
    node.provider = state.texts.share(&request.provider);
    node.region = state.texts.share(&request.region);
    node.zone = state.texts.share(&request.zone);
    node.instance_type = state.texts.share(&request.instance_type);
    node.gpu_count = registration.gpu_count;
    if *node.inventory != *registration.inventory {
        node.inventory = Arc::from(registration.inventory.as_slice());
    }
    node.pool.clone_from(&registration.pool);
    node.incarnation = node.incarnation.saturating_add(1);
    node.earlier_requests = node.earlier_requests.and(&node.last_request_id, context.now);
    node.registered_at = context.now;
    node.last_request_id = Arc::from(registration.request_id.as_str());
}

/// A node whose machine is being given back, or is no more, must not come back to life.
fn check_instance(
    id: &NodeId,
    instance: Option<&Instance>,
    known: Option<&Node>,
) -> Result<(), Refusal> {
    if let Some(instance) = instance
        && let Err(why) = instance.next(crate::model::InstanceStep::Join)
    {
        return Err(Refusal::precondition(format!(
            "node {id} runs on instance {}, which is {} ({}): {why}",
            instance.id, instance.state, instance.status_message
        )));
    }
    if let Some(node) = known
        && node.is_gone()
    {
        return Err(Refusal::precondition(format!(
            "node {id} is terminated ({}); forget it before its id is used again",
            node.administrative_reason
        )));
    }
    Ok(())
}

fn check(request: &RegisterNodeRequest) -> Result<(), Refusal> {
    check_text("provider", &request.provider)?;
    check_text("region", &request.region)?;
    check_text("zone", &request.zone)?;
    check_text("instance type", &request.instance_type)?;
    if request.gpus.len() > MAX_GPUS {
        return Err(Refusal::invalid(format!(
            "the node has {} GPUs; the limit is {MAX_GPUS}",
            request.gpus.len()
        )));
    }
    request.gpus.iter().try_for_each(check_gpu)?;
    request.metadata.as_ref().map_or(Ok(()), check_metadata)
}

fn check_gpu(gpu: &GpuInfo) -> Result<(), Refusal> {
    let texts = [&gpu.uuid, &gpu.name, &gpu.pci_bus_id, &gpu.driver_version, &gpu.cuda_version];
    match texts.iter().find(|text| text.len() > MAX_ID_BYTES) {
        None => Ok(()),
        Some(text) => Err(Refusal::invalid(format!(
            "GPU {} has a field of {} bytes; the limit is {MAX_ID_BYTES}",
            gpu.index,
            text.len()
        ))),
    }
}

fn check_metadata(metadata: &NodeMetadata) -> Result<(), Refusal> {
    let texts = [
        &metadata.hostname,
        &metadata.internal_ip,
        &metadata.external_ip,
        &metadata.kernel_version,
    ];
    if let Some(text) = texts.iter().find(|text| text.len() > MAX_LABEL_BYTES) {
        return Err(Refusal::invalid(format!(
            "the node's metadata has a field of {} bytes; the limit is {MAX_LABEL_BYTES}",
            text.len()
        )));
    }
    if metadata.labels.len() > MAX_LABELS {
        return Err(Refusal::invalid(format!(
            "the node has {} labels; the limit is {MAX_LABELS}",
            metadata.labels.len()
        )));
    }
    let too_long = |(key, value): &(&String, &String)| key.len() + value.len() > MAX_LABEL_BYTES;
    if let Some((key, value)) = metadata.labels.iter().find(too_long) {
        return Err(Refusal::invalid(format!(
            "label {:?} takes {} bytes with its value; the limit is {MAX_LABEL_BYTES}",
            crate::text::cut(key, 64),
            key.len() + value.len()
        )));
    }
    Ok(())
}

/// The instance that the agent says it runs on.
pub(super) fn named_instance(request: &RegisterNodeRequest) -> Option<&str> {
    label(request, INSTANCE_LABEL)
}
