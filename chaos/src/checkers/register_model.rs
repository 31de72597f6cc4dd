use porcupine_rs::Model;

/// A register as the search sees it.
#[derive(Clone, Debug)]
pub(super) struct RegisterModel;

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holds {
    /// Whatever it held before anybody looked; the first read tells.
    Anything,
    /// A value; none: there is no such register.
    Known(Option<u64>),
}

/// A step that a register takes, with what the client was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It was read, and held this.
    Read(Option<u64>),
    /// It was set.
    Write(u64),
    /// It was set if it held what was expected; whether it did is unknown if nobody was told.
    CompareAndSet { expected: u64, value: u64, swapped: Option<bool> },
}

impl Model for RegisterModel {
    type State = Holds;
    type Op = Step;
    type Metadata = ();

    fn init() -> Holds {
        Holds::Anything
    }

    fn step(held: &Holds, step: &Step) -> (bool, Holds) {
        match (*step, *held) {
            (Step::Read(value), Holds::Anything) => (true, Holds::Known(value)),
            (Step::Read(value), Holds::Known(known)) => (value == known, *held),
            (Step::Write(value), _) => (true, Holds::Known(Some(value))),
            (Step::CompareAndSet { value, swapped: Some(true), .. }, Holds::Anything) => {
                (true, Holds::Known(Some(value)))
            }
            (Step::CompareAndSet { .. }, Holds::Anything) => (true, *held),
            (Step::CompareAndSet { expected, value, swapped }, Holds::Known(known)) => {
                let finds = known == Some(expected);
                let after = if finds { Holds::Known(Some(value)) } else { *held };
                (swapped.is_none_or(|told| told == finds), after)
            }
        }
    }
}
