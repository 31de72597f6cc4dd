//! What must hold whatever happens, each seen from outside, each in a file of its own, and the same for every
//! layer: simulation, processes, composed groups.
//!
//! | file | claim |
//! |---|---|
//! | `acknowledged_kept` | no acknowledged write is lost |
//! | `applied_once` | nothing is applied twice |
//! | `bought_once` | at most one machine for each order, ever |
//! | `commands_once` | each command is delivered at least once and takes effect once |
//! | `healthy_kept` | a failover ends no node that kept beating, and declares none lost |
//! | `intent_first` | nothing is bought that was not decided on before |
//! | `journal_contiguous` | no journal has a gap |
//! | `journal_equal` | all journals tell the same |
//! | `no_mass_replacement` | a part of a pool that is cut off is replaced within its budget, and never past a breaker |
//! | `no_phantom` | nothing is there that nobody sent |
//! | `nothing_leaks` | after quiet: machines = records = targets |
//! | `one_session_acts` | what an older session does late was decided in it; a newer one decides alone |
//! | `registers_linearizable` | reads and writes of each register fit an order of single steps |
//! | `sessions_forward` | no client is shown an older state than before |
//! | `states_equal` | who applied the same is the same |
//! | `terminate_reason` | each machine that is given back is so for a reason in the journal |
//! | `time_forward` | time in the journal never goes back |
//! | `watch_whole` | a watch tells every event once, however often it is resumed |
//! | `within_maximum` | at no instant a pool has more machines than its maximum |
//!
//! [`Invariant`] is what they have in common, [`all`] lists them.

mod acknowledged_kept;
mod applied_once;
mod bought_once;
mod commands_once;
mod healthy_kept;
mod intent_first;
mod invariant;
mod journal_contiguous;
mod journal_equal;
mod no_mass_replacement;
mod no_phantom;
mod nothing_leaks;
mod one_session_acts;
mod registers_linearizable;
mod sessions_forward;
mod states_equal;
mod terminate_reason;
mod time_forward;
mod watch_whole;
mod within_maximum;

pub use acknowledged_kept::AcknowledgedKept;
pub use applied_once::AppliedOnce;
pub use bought_once::BoughtOnce;
pub use commands_once::CommandsOnce;
pub use healthy_kept::HealthyKept;
pub use intent_first::IntentFirst;
pub use invariant::{Invariant, complaints, judge, unmet};
pub use journal_contiguous::JournalContiguous;
pub use journal_equal::JournalEqual;
pub use no_mass_replacement::NoMassReplacement;
pub use no_phantom::NoPhantom;
pub use nothing_leaks::NothingLeaks;
pub use one_session_acts::OneSessionActs;
pub use registers_linearizable::RegistersLinearizable;
pub use sessions_forward::SessionsForward;
pub use states_equal::StatesEqual;
pub use terminate_reason::TerminateReason;
pub use time_forward::TimeForward;
pub use watch_whole::WatchWhole;
pub use within_maximum::WithinMaximum;

/// All there are, by name.
pub const fn all() -> [&'static dyn Invariant; 19] {
    [
        &AcknowledgedKept,
        &AppliedOnce,
        &BoughtOnce,
        &CommandsOnce,
        &HealthyKept,
        &IntentFirst,
        &JournalContiguous,
        &JournalEqual,
        &NoMassReplacement,
        &NoPhantom,
        &NothingLeaks,
        &OneSessionActs,
        &RegistersLinearizable,
        &SessionsForward,
        &StatesEqual,
        &TerminateReason,
        &TimeForward,
        &WatchWhole,
        &WithinMaximum,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evidence::Evidence, record::Verdict};

    /// Without it two invariants could answer to one name, or one of them pass a run in which nothing was looked at.
    #[test]
    fn each_has_its_name_and_none_holds_without_evidence() {
        let names: Vec<_> = all().iter().map(|invariant| invariant.name()).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        let records = judge(&all(), &Evidence::default());
        assert!(records.iter().all(|record| record.verdict == Verdict::Unknown), "{records:?}");
        assert!(complaints(&records).is_empty());
        assert_eq!(unmet(&records).len(), records.len());
    }
}
