use super::*;

const FRESH: Drain = Drain {
    deadline: None,
    cordoned_before: false,
    accepted: false,
    drained: false,
    for_verdict: false,
};
const FOR_VERDICT: Drain = Drain { for_verdict: true, ..FRESH };
const STATES: [Administrative; 10] = [
    Administrative::Active,
    Administrative::Cordoned,
    Administrative::Draining(FRESH),
    Administrative::Draining(Drain { cordoned_before: true, ..FRESH }),
    Administrative::Draining(Drain { accepted: true, ..FRESH }),
    Administrative::Draining(Drain { drained: true, ..FRESH }),
    Administrative::Terminated,
    Administrative::Draining(FOR_VERDICT),
    Administrative::Draining(Drain { drained: true, ..FOR_VERDICT }),
    Administrative::Draining(Drain { drained: true, cordoned_before: true, ..FOR_VERDICT }),
];

/// One letter a cell: `.` refused, `=` stays, or the state it becomes: A, C, d (draining), D (drained), T.
fn letter(before: Administrative, step: AdministrativeStep) -> char {
    match before.next(step) {
        Err(_) => '.',
        Ok(after) if after == before => '=',
        Ok(Administrative::Active) => 'A',
        Ok(Administrative::Cordoned) => 'C',
        Ok(Administrative::Draining(drain)) if drain.drained => 'D',
        Ok(Administrative::Draining(_)) => 'd',
        Ok(Administrative::Terminated) => 'T',
    }
}

/// Without the whole table, a state that nobody thought of could be left or entered by accident.
#[test]
fn transition_table() {
    // active, cordoned, draining, draining (cordoned before), accepted, drained, terminated, for a verdict: draining,
    // drained, drained (cordoned before)
    let deadline = LogTime::optional(9);
    let drain = |deadline, for_verdict| AdministrativeStep::Drain { deadline, for_verdict };
    let table = [
        (AdministrativeStep::Cordon, "C=d=dD.dD="),
        (AdministrativeStep::Uncordon, ".AAAAA.AAA"),
        (drain(deadline, false), "dddddD.dDD"),
        (drain(deadline, true), "dddddD.dDD"),
        (drain(None, false), "dd====.dDD"),
        (drain(None, true), "dd====.==="),
        (AdministrativeStep::AcceptDrain, "..dd=D.dDD"),
        (AdministrativeStep::RefuseDrain, "..ACA..A.."),
        (AdministrativeStep::CallOffDrain, ".......AAC"),
        (AdministrativeStep::FinishDrain, "..DDD=.D=="),
        (AdministrativeStep::Terminate, "TTTTTT=TTT"),
    ];
    for (step, expected) in table {
        let row: String = STATES.iter().map(|state| letter(*state, step)).collect();
        assert_eq!(row, expected, "{step:?}");
    }
}

/// A refused drain that forgot the cordon would put work on a machine that a person took out.
#[test]
fn a_cordon_survives_a_refused_drain() {
    let draining = Administrative::Cordoned
        .next(AdministrativeStep::Drain { deadline: None, for_verdict: false });
    let refused = draining.and_then(|state| state.next(AdministrativeStep::RefuseDrain));
    assert_eq!(refused, Ok(Administrative::Cordoned));
}
