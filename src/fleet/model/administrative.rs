use std::fmt;

use crate::time::LogTime;

/// What people and the end of its machine decided about a node. No report and no silence changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administrative {
    /// Takes work.
    Active,
    /// Takes no new work.
    Cordoned,
    /// Gives its work away.
    Draining(Drain),
    /// Its machine is gone.
    Terminated,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// When waiting ends; none: never.
    pub deadline: Option<LogTime>,
    /// The node was cordoned before, and a refused drain returns it to that.
    pub cordoned_before: bool,
    /// The workload system took notice.
    pub accepted: bool,
    /// It is over: the workload system said so, or the deadline passed.
    pub drained: bool,
    /// It was begun for an unhealthy verdict, and ends with it.
    pub for_verdict: bool,
}

/// What may happen to [`Administrative`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdministrativeStep {
    Cordon,
    Uncordon,
    Drain {
        deadline: Option<LogTime>,
        for_verdict: bool,
    },
    AcceptDrain,
    RefuseDrain,
    /// The verdict that it was begun for is cleared.
    CallOffDrain,
    FinishDrain,
    Terminate,
}

impl Administrative {
    /// The transition table: what `step` makes of it, or why it is refused. An equal result is no change.
    pub(crate) fn next(self, step: AdministrativeStep) -> Result<Self, &'static str> {
        match step {
            AdministrativeStep::Cordon => self.cordon(),
            AdministrativeStep::Uncordon => self.uncordon(),
            AdministrativeStep::Drain { deadline, for_verdict } => {
                self.drain(deadline, for_verdict)
            }
            AdministrativeStep::AcceptDrain => {
                self.draining().map(|drain| Self::Draining(Drain { accepted: true, ..drain }))
            }
            AdministrativeStep::FinishDrain => {
                self.draining().map(|drain| Self::Draining(Drain { drained: true, ..drain }))
            }
            AdministrativeStep::RefuseDrain => match self.draining()? {
                Drain { drained: true, .. } => Err("is drained already; uncordon it instead"),
                drain => Ok(drain.before()),
            },
            AdministrativeStep::CallOffDrain => match self.draining()? {
                Drain { for_verdict: false, .. } => Err("drains for another reason"),
                drain => Ok(drain.before()),
            },
            AdministrativeStep::Terminate => Ok(Self::Terminated),
        }
    }

    fn cordon(self) -> Result<Self, &'static str> {
        match self {
            Self::Active | Self::Cordoned => Ok(Self::Cordoned),
            Self::Draining(drain) => Ok(Self::Draining(Drain { cordoned_before: true, ..drain })),
            Self::Terminated => Err("is terminated"),
        }
    }

    /// Cancels a drain, too: whoever uncordons wants the node to take work.
    fn uncordon(self) -> Result<Self, &'static str> {
        match self {
            Self::Active => Err("is neither cordoned nor draining nor latched unhealthy"),
            Self::Cordoned | Self::Draining(_) => Ok(Self::Active),
            Self::Terminated => Err("is terminated"),
        }
    }

    fn drain(self, deadline: Option<LogTime>, for_verdict: bool) -> Result<Self, &'static str> {
        let fresh = Drain { deadline, for_verdict, ..Drain::default() };
        match self {
            Self::Active => Ok(Self::Draining(fresh)),
            Self::Cordoned => Ok(Self::Draining(Drain { cordoned_before: true, ..fresh })),
            // Whoever wants it drained for another reason wants it drained without the verdict, too.
            Self::Draining(drain) => Ok(Self::Draining(Drain {
                deadline,
                for_verdict: drain.for_verdict && for_verdict,
                ..drain
            })),
            Self::Terminated => Err("is terminated"),
        }
    }

    fn draining(self) -> Result<Drain, &'static str> {
        match self {
            Self::Draining(drain) => Ok(drain),
            Self::Active | Self::Cordoned | Self::Terminated => Err("is not draining"),
        }
    }
}

impl Drain {
    /// What the node was before.
    fn before(self) -> Administrative {
        if self.cordoned_before { Administrative::Cordoned } else { Administrative::Active }
    }
}

impl fmt::Display for Administrative {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "active",
            Self::Cordoned => "cordoned",
            Self::Draining(Drain { drained: false, .. }) => "draining",
            Self::Draining(Drain { drained: true, .. }) => "drained",
            Self::Terminated => "terminated",
        })
    }
}

#[cfg(test)]
#[path = "administrative_test.rs"]
mod tests;
