use super::*;

/// The rows' states: every state, and a failed record with and without its machine.
const ROWS: [(InstanceState, Machine); 7] = [
    (InstanceState::Provisioning, Machine::Absent),
    (InstanceState::PendingRegistration, Machine::Present),
    (InstanceState::Running, Machine::Present),
    (InstanceState::Terminating, Machine::Present),
    (InstanceState::Terminated, Machine::Absent),
    (InstanceState::Failed, Machine::Present),
    (InstanceState::Failed, Machine::Absent),
];

/// `.` refused, `=` stays, or the first letter of what it becomes: P(ending), R, G(iven back), T, F.
fn letter(state: InstanceState, machine: Machine, step: InstanceStep) -> char {
    match next_state(state, machine, step) {
        Err(_) => '.',
        Ok(after) if after == state => '=',
        Ok(InstanceState::Provisioning) => '?',
        Ok(InstanceState::PendingRegistration) => 'P',
        Ok(InstanceState::Running) => 'R',
        Ok(InstanceState::Terminating) => 'G',
        Ok(InstanceState::Terminated) => 'T',
        Ok(InstanceState::Failed) => 'F',
    }
}

/// A transition that the table does not name could buy twice, or forget a machine that costs money.
#[test]
fn transition_table() {
    // provisioning, pending, running, terminating, terminated, failed with a machine, failed without
    let table = [
        (InstanceStep::Buy, "P===GGG"),
        (InstanceStep::Join, "=R=...."),
        (InstanceStep::Terminate, ".GG==G."),
        (InstanceStep::ConfirmGone, "...T=.."),
        (InstanceStep::Fail(FailureKind::Unspecified), "......."),
        (InstanceStep::Fail(FailureKind::Capacity), "F......"),
        (InstanceStep::Fail(FailureKind::Quota), "F......"),
        (InstanceStep::Fail(FailureKind::Invalid), "F......"),
        (InstanceStep::Fail(FailureKind::LaunchTimeout), "F......"),
        (InstanceStep::Fail(FailureKind::Stale), ".F....."),
        (InstanceStep::Fail(FailureKind::Vanished), ".FF...."),
        (InstanceStep::Fail(FailureKind::NodeLost), "..F...."),
        (InstanceStep::Fail(FailureKind::NodeUnhealthy), "..F...."),
    ];
    for (step, expected) in table {
        let row: String =
            ROWS.iter().map(|(state, machine)| letter(*state, *machine, step)).collect();
        assert_eq!(row, expected, "{step:?}");
    }
}
