use navarch_proto::fleet::proposal::Kind;

use crate::{outcome::Refusal, state::FleetState};

/// A fleet in adopt mode buys nothing, gives nothing back, and gives nothing up. Every kind is named, so that a new
/// one cannot be added without a decision.
pub(super) fn check(kind: &Kind, state: &FleetState) -> Result<(), Refusal> {
    match (wants(kind), state.adoption.is_some()) {
        (Wants::Motion, true) => Err(Refusal::precondition(
            "the fleet is in adopt mode since it was restored from a snapshot: nothing is bought, given \
             back, declared lost, replaced or scaled; look, then `navarch snapshot end-adoption`",
        )),
        (Wants::Standstill, false) => Err(Refusal::precondition(
            "the fleet is not in adopt mode; there is nothing to adopt or end",
        )),
        (Wants::Motion, false) | (Wants::Standstill, true) | (Wants::Neither, _) => Ok(()),
    }
}

/// In which mode a verb makes sense.
enum Wants {
    /// It buys, gives back, gives up or scales.
    Motion,
    /// It belongs to adopt mode alone.
    Standstill,
    Neither,
}

fn wants(kind: &Kind) -> Wants {
    match kind {
        Kind::DeclareLost(_)
        | Kind::RequestInstance(_)
        | Kind::RecordPurchase(_)
        | Kind::FailInstance(_)
        | Kind::TerminateInstance(_)
        | Kind::RecordTermination(_)
        | Kind::RecordOrphan(_)
        // Machines that nobody knows yet may be adopted into a retiring pool.
        | Kind::RemovePool(_)
        | Kind::RemoveProvider(_)
        | Kind::SetPoolTarget(_) => Wants::Motion,
        Kind::EndAdoption(_) | Kind::AdoptMachine(_) => Wants::Standstill,
        // A person's doing among them: a target that is set now holds once the mode ends.
        Kind::OpenSession(_)
        | Kind::ApplyFleetSpec(_)
        | Kind::BeginAdoption(_)
        | Kind::RegisterNode(_)
        | Kind::RecordVerdict(_)
        | Kind::CordonNode(_)
        | Kind::UncordonNode(_)
        | Kind::DrainNode(_)
        | Kind::FinishDrain(_)
        | Kind::AcceptDrain(_)
        | Kind::RefuseDrain(_)
        | Kind::ForgetNode(_)
        | Kind::ForgiveGpu(_)
        | Kind::RecordDigest(_)
        | Kind::ClearLost(_)
        | Kind::QueueCommand(_)
        | Kind::HandOutCommands(_)
        | Kind::MarkDelivered(_)
        | Kind::AcknowledgeCommand(_)
        | Kind::ExpireCommands(_)
        | Kind::DropExpired(_)
        | Kind::KeepInstance(_)
        | Kind::RecordPoolMetrics(_)
        | Kind::ScalePool(_)
        | Kind::PausePool(_)
        | Kind::HoldPool(_)
        | Kind::HoldReplacement(_)
        | Kind::RecordBreaker(_)
        | Kind::OverrideBreaker(_)
        | Kind::ClearRuleVerdicts(_)
        | Kind::RecordObserved(_) => Wants::Neither,
    }
}
