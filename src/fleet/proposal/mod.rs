//! One verb a file: `apply` checks the proposal against the state and only then changes it.
//!
//! `matching` joins nodes to instances, `given_up_gpus` remembers what no machine may have again, `rule_remarks` says
//! once an hour what rules would have done or could not, `shared` holds the checks that several verbs make,
//! `breaker_changes` those about breakers, `retirement` keeps what a file leaves out while it has machines, `standstill`
//! says which verbs a restored fleet refuses.

mod accept_drain;
mod acknowledge_command;
mod adopt_machine;
mod apply_fleet_spec;
mod begin_adoption;
mod breaker_changes;
mod clear_lost;
mod clear_rule_verdicts;
mod cordon_node;
mod declare_lost;
mod drain_node;
mod drop_expired;
mod end_adoption;
mod expire_commands;
mod fail_instance;
mod finish_drain;
mod forget_node;
mod forgive_gpu;
mod given_up_gpus;
mod hand_out_commands;
mod hold_pool;
mod hold_replacement;
mod keep_instance;
mod mark_delivered;
mod matching;
mod open_session;
mod override_breaker;
mod pause_pool;
mod queue_command;
mod record_breaker;
mod record_digest;
mod record_observed;
mod record_orphan;
mod record_pool_metrics;
mod record_purchase;
mod record_termination;
mod record_verdict;
mod refuse_drain;
mod register_node;
mod remove_pool;
mod remove_provider;
mod request_instance;
mod retirement;
mod rule_remarks;
mod scale_pool;
mod set_pool_target;
mod shared;
mod spec_check;
mod standstill;
mod terminate_instance;
mod uncordon_node;

use navarch_proto::fleet::{Accepted, proposal::Kind};

use crate::{event::Context, outcome::Refusal, state::FleetState};

/// Applies a proposal of any kind.
pub(crate) fn apply(
    kind: Kind,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    standstill::check(&kind, state)?;
    match kind {
        Kind::OpenSession(proposal) => open_session::apply(proposal, state, context),
        Kind::ApplyFleetSpec(proposal) => apply_fleet_spec::apply(proposal, state, context),
        Kind::BeginAdoption(proposal) => begin_adoption::apply(proposal, state, context),
        Kind::EndAdoption(_) => end_adoption::apply(state, context),
        Kind::RegisterNode(proposal) => register_node::apply(proposal, state, context),
        Kind::RecordVerdict(proposal) => record_verdict::apply(&proposal, state, context),
        Kind::CordonNode(proposal) => cordon_node::apply(proposal, state, context),
        Kind::UncordonNode(proposal) => uncordon_node::apply(proposal, state, context),
        Kind::DrainNode(proposal) => drain_node::apply(proposal, state, context),
        Kind::FinishDrain(proposal) => finish_drain::apply(&proposal, state, context),
        Kind::AcceptDrain(proposal) => accept_drain::apply(&proposal, state, context),
        Kind::RefuseDrain(proposal) => refuse_drain::apply(&proposal, state, context),
        Kind::ForgetNode(proposal) => forget_node::apply(&proposal, state, context),
        Kind::RecordDigest(proposal) => record_digest::apply(&proposal, state),
        Kind::DeclareLost(proposal) => declare_lost::apply(&proposal, state, context),
        Kind::ClearLost(proposal) => clear_lost::apply(&proposal, state, context),
        Kind::QueueCommand(proposal) => queue_command::apply(proposal, state, context),
        Kind::HandOutCommands(proposal) => hand_out_commands::apply(&proposal, state, context),
        Kind::MarkDelivered(proposal) => mark_delivered::apply(&proposal, state, context),
        Kind::AcknowledgeCommand(proposal) => acknowledge_command::apply(&proposal, state, context),
        Kind::ExpireCommands(_) => Ok(expire_commands::apply(state, context)),
        Kind::RequestInstance(proposal) => request_instance::apply(proposal, state, context),
        Kind::RecordPurchase(proposal) => record_purchase::apply(&proposal, state, context),
        Kind::FailInstance(proposal) => fail_instance::apply(&proposal, state, context),
        Kind::TerminateInstance(proposal) => terminate_instance::apply(&proposal, state, context),
        Kind::RecordTermination(proposal) => record_termination::apply(&proposal, state, context),
        Kind::RecordOrphan(proposal) => record_orphan::apply(&proposal, state, context),
        Kind::KeepInstance(proposal) => keep_instance::apply(&proposal, state, context),
        Kind::DropExpired(_) => Ok(drop_expired::apply(state, context)),
        Kind::AdoptMachine(proposal) => adopt_machine::apply(&proposal, state, context),
        Kind::ScalePool(proposal) => scale_pool::apply(&proposal, state, context),
        Kind::SetPoolTarget(proposal) => set_pool_target::apply(&proposal, state, context),
        Kind::HoldReplacement(proposal) => hold_replacement::apply(&proposal, state, context),
        Kind::PausePool(proposal) => pause_pool::apply(&proposal, state, context),
        Kind::HoldPool(proposal) => hold_pool::apply(&proposal, state, context),
        Kind::RecordObserved(proposal) => record_observed::apply(&proposal, state),
        Kind::ForgiveGpu(proposal) => forgive_gpu::apply(&proposal, state, context),
        Kind::RemovePool(proposal) => remove_pool::apply(&proposal, state, context),
        Kind::RemoveProvider(proposal) => remove_provider::apply(&proposal, state, context),
        Kind::RecordBreaker(proposal) => record_breaker::apply(&proposal, state, context),
        Kind::OverrideBreaker(proposal) => override_breaker::apply(&proposal, state, context),
        Kind::ClearRuleVerdicts(proposal) => clear_rule_verdicts::apply(&proposal, state, context),
        Kind::RecordPoolMetrics(proposal) => record_pool_metrics::apply(&proposal, state, context),
    }
}
