use std::{collections::BTreeMap, sync::Arc};

use navarch_proto::{api::NodeCommandType, fleet::Accepted};

use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{CommandId, InstanceId, NodeId, PoolName, ProviderName, Revision, check_text},
    limits::{MAX_PARAMETER_BYTES, MAX_PARAMETERS, MAX_REASON_BYTES},
    model::{
        Administrative, AdministrativeStep, CommandState, Instance, InstanceState, InstanceStep,
        Node, NodeCommand, Place, Pool, status_word, type_word,
    },
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// A node that there is.
pub(super) fn node(state: &FleetState, id: &str) -> Result<Arc<Node>, Refusal> {
    let id = NodeId::new(id)?;
    state.nodes.get(id.as_str()).cloned().ok_or_else(|| {
        Refusal::not_found(format!("node {id} is not registered; its agent must register it"))
    })
}

/// An instance that there is.
pub(super) fn instance(state: &FleetState, id: &str) -> Result<Arc<Instance>, Refusal> {
    let id = InstanceId::new(id)?;
    state
        .instances
        .get(id.as_str())
        .cloned()
        .ok_or_else(|| Refusal::not_found(format!("instance {id} is not on record")))
}

/// A pool that there is.
pub(super) fn pool(state: &FleetState, name: &str) -> Result<Arc<Pool>, Refusal> {
    let name = PoolName::new(name)?;
    state.pools.get(name.as_str()).cloned().ok_or_else(|| {
        Refusal::not_found(format!("pool {name} is not configured; add it and apply the file"))
    })
}

/// That a pool is not on its way out.
pub(super) fn check_stays(state: &FleetState, pool: &Pool) -> Result<(), Refusal> {
    if !state.is_retiring(pool.name.as_str()) {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "pool {} is being removed, {} of its machines are left; apply a file that has it to keep it",
        pool.name,
        state.instances.counts(pool.name.as_str()).occupancy()
    )))
}

/// That a record has not moved since the proposer read it; 0: it does not matter.
pub(super) fn check_revision(what: &str, seen: u64, is: Revision) -> Result<(), Refusal> {
    if seen == 0 || Revision(seen) == is {
        return Ok(());
    }
    Err(Refusal::stale(format!(
        "{what} is at revision {is}, and the proposal saw {seen}; read it again"
    )))
}

/// What an accepted change of a node answers.
pub(super) fn accepted_node(state: &FleetState, id: &str) -> Accepted {
    state.nodes.get(id).map_or_else(Accepted::default, |node| accepted_of(node))
}

/// The same for a node in hand.
pub(super) fn accepted_of(node: &Node) -> Accepted {
    Accepted { revision: node.revision.0, node_status: node.status().into(), ..Accepted::default() }
}

/// What an accepted change of an instance answers.
pub(super) fn accepted_instance(state: &FleetState, id: &str) -> Accepted {
    let revision = state.instances.get(id).map_or(0, |instance| instance.revision.0);
    Accepted { revision, ..Accepted::default() }
}

/// What an accepted change of a pool answers.
pub(super) fn accepted_pool(state: &FleetState, name: &str) -> Accepted {
    let revision = state.pools.get(name).map_or(0, |pool| pool.revision.0);
    Accepted { revision, ..Accepted::default() }
}

/// What a step makes of a node's administrative state, or the refusal in words.
pub(super) fn next_administrative(
    node: &Node,
    step: AdministrativeStep,
) -> Result<Administrative, Refusal> {
    node.administrative
        .next(step)
        .map_err(|why| Refusal::precondition(format!("node {} {why}", node.id)))
}

/// Gives a node another administrative state, with its reason, and tells of it.
pub(super) fn set_administrative(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node: &Node,
    next: (Administrative, &str),
    kind: EventKind,
) {
    let (administrative, reason) = next;
    let reason = stored(reason, MAX_REASON_BYTES);
    if node.administrative == administrative && node.administrative_reason == reason {
        return;
    }
    state.nodes.update(node.id.as_str(), |record| {
        record.administrative = administrative;
        record.administrative_reason = reason.clone();
    });
    let event = Event::new(kind, Subject::Node(node.id.as_str())).reason(&reason).change(
        "administrative",
        node.administrative,
        administrative,
    );
    context.emit(with_status_change(event, state, node));
}

/// Adds a node's derived status, if that changed since `before`.
pub(super) fn with_status_change(event: Event, state: &FleetState, before: &Node) -> Event {
    let after = state.nodes.get(before.id.as_str()).map_or(before.status(), |node| node.status());
    event.change("status", status_word(before.status()), status_word(after))
}

/// Marks the node of a machine that is gone, if there is one.
pub(super) fn terminate_node(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    reason: &str,
) {
    let Some(id) = &instance.node_id else { return };
    let Some(node) = state.nodes.get(id.as_str()).cloned() else {
        return;
    };
    if node.instance_id.as_ref() != Some(&instance.id) {
        return;
    }
    if let Ok(next) = node.administrative.next(AdministrativeStep::Terminate) {
        set_administrative(state, context, &node, (next, reason), EventKind::NodeTerminated);
    }
}

/// The state of an instance after a step; a refusal is journalled.
pub(super) fn next_instance_state(
    instance: &Instance,
    step: InstanceStep,
    wanted: &str,
) -> Result<InstanceState, Refusal> {
    instance.next(step).map_err(|why| refused_transition(instance, wanted, why))
}

/// A transition that an instance's state does not allow: for a person to read of.
pub(super) fn refused_transition(instance: &Instance, wanted: &str, why: &str) -> Refusal {
    let message = format!("instance {} is {}, cannot {wanted}: {why}", instance.id, instance.state);
    let event =
        Event::new(EventKind::InstanceTransitionRefused, Subject::Instance(instance.id.as_str()))
            .reason(&message);
    Refusal::precondition(message).journalled(event)
}

/// Bounds on a command's parameters.
pub(super) fn check_parameters(parameters: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if parameters.len() > MAX_PARAMETERS {
        return Err(Refusal::invalid(format!(
            "the command has {} parameters; the limit is {MAX_PARAMETERS}",
            parameters.len()
        )));
    }
    let bytes: usize = parameters.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_PARAMETER_BYTES {
        return Err(Refusal::invalid(format!(
            "the command's parameters take {bytes} bytes; the limit is {MAX_PARAMETER_BYTES}"
        )));
    }
    Ok(())
}

/// A command that the control plane carries out itself, checked; none: it was not issued as a command.
pub(super) fn completed_command(
    state: &FleetState,
    context: &Context<'_>,
    node: &Node,
    issued: (&str, NodeCommandType, BTreeMap<String, String>),
) -> Result<Option<NodeCommand>, Refusal> {
    let (id, command_type, parameters) = issued;
    if id.is_empty() {
        return Ok(None);
    }
    let id = state.unused_command_id(id)?;
    check_parameters(&parameters)?;
    Ok(Some(NodeCommand {
        id,
        node_id: node.id.clone(),
        command_type,
        parameters,
        state: CommandState::Succeeded,
        issued_at: context.now,
        finished_at: Some(context.now),
        deadline: context.now,
        output: Arc::default(),
        error: Arc::default(),
        actor: Arc::from(context.actor),
        sequence: context.index,
    }))
}

/// Keeps a completed command, and adds its id to the answer.
pub(super) fn record_completed(
    state: &mut FleetState,
    command: Option<NodeCommand>,
    accepted: Accepted,
) -> Accepted {
    let Some(command) = command else {
        return accepted;
    };
    let command_id = command.id.to_string();
    state.commands.insert(command);
    Accepted { command_id, ..accepted }
}

/// Tells of a command.
pub(super) fn command_event(kind: EventKind, command: &NodeCommand, after: CommandState) -> Event {
    Event::new(kind, Subject::Node(command.node_id.as_str()))
        .reason(&format!("command {} ({})", command.id, type_word(command.command_type)))
        .change("command", command.state, after)
}

/// Gives a command its end and tells of it.
pub(super) fn finish_command(
    state: &mut FleetState,
    context: &mut Context<'_>,
    id: &CommandId,
    end: (CommandState, &str, &str),
) {
    let (after, output, error) = end;
    let Some(before) = state.commands.get(id.as_str()).cloned() else {
        return;
    };
    let limit = crate::limits::MAX_OUTPUT_BYTES;
    state.commands.update(id.as_str(), |command| {
        command.state = after;
        command.finished_at = Some(context.now);
        command.output = stored(output, limit);
        command.error = stored(error, limit);
    });
    let kind = match after {
        CommandState::Expired => EventKind::CommandExpired,
        CommandState::Queued
        | CommandState::Delivered
        | CommandState::Succeeded
        | CommandState::Failed => EventKind::CommandFinished,
    };
    context.emit(command_event(kind, &before, after));
}

/// An order that was to take a machine's place does not: the machine counts again by itself.
pub(super) fn release_replaced(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    reason: &str,
) {
    let Some(replaced) = &instance.replaces else { return };
    let marked = state.instances.get(replaced.as_str());
    if marked.is_some_and(|one| one.replaced_by.as_ref() == Some(&instance.id)) {
        keep_instance(state, context, replaced.as_str(), reason);
    }
}

/// Takes the mark of a machine that is to be replaced away.
pub(super) fn keep_instance(
    state: &mut FleetState,
    context: &mut Context<'_>,
    id: &str,
    reason: &str,
) {
    let Some(by) = state.instances.get(id).and_then(|one| one.replaced_by.clone()) else { return };
    let event = Event::new(EventKind::ReplacementCancelled, Subject::Instance(id))
        .reason(reason)
        .change("replaced_by", by, "");
    context.emit(event);
    state.instances.update(id, |record| record.replaced_by = None);
}

/// Where a machine is or is to be, checked.
pub(super) fn place(
    state: &mut FleetState,
    provider: &str,
    (region, zone): (&str, &str),
    instance_type: &str,
) -> Result<Place, Refusal> {
    check_text("region", region)?;
    check_text("zone", zone)?;
    check_text("instance type", instance_type)?;
    Ok(Place {
        provider: ProviderName::shared(state.texts.share(provider))?,
        region: state.texts.share(region),
        zone: state.texts.share(zone),
        instance_type: state.texts.share(instance_type),
    })
}

/// Nobody could give a machine of an unknown provider back.
pub(super) fn check_provider(state: &FleetState, name: &str) -> Result<(), Refusal> {
    if state.provider_spec(name).is_some() {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "provider {name:?} is not configured; add it and apply the file"
    )))
}

/// A note on a pool that says why something is not done for it; empty: nothing holds it.
pub(super) struct Hold {
    /// The field's name in events.
    pub(super) field: &'static str,
    /// The note in a pool's record.
    pub(super) note: fn(&mut Pool) -> &mut Arc<str>,
    /// What is told when the note is made or changed.
    pub(super) held: EventKind,
    /// What is told when it is taken away.
    pub(super) released: EventKind,
}

/// Makes, changes or takes away a note on the pool `name`.
pub(super) fn note_hold(
    hold: &Hold,
    (name, reason): (&str, &str),
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = pool(state, name)?;
    let reason = stored(reason, MAX_REASON_BYTES);
    let mut after = (*pool).clone();
    let before = std::mem::replace((hold.note)(&mut after), Arc::clone(&reason));
    if before != reason {
        let kind = if reason.is_empty() { hold.released } else { hold.held };
        let event = Event::new(kind, Subject::Pool(pool.name.as_str()))
            .reason(&reason)
            .change(hold.field, &before, &reason);
        context.emit(event);
        after.revision = after.revision.next();
        state.pools.insert(pool.name.clone(), Arc::new(after));
    }
    Ok(accepted_pool(state, pool.name.as_str()))
}
