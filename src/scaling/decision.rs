use super::view::{Limits, PoolView};

/// What a strategy recommends, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Nodes wanted; always within `limits`.
    pub target: u32,
    /// The limits in force: the pool's, or those of the window of a schedule.
    pub limits: Limits,
    /// What kind of decision it is.
    pub cause: Cause,
    /// One sentence with the figures, for status and journal.
    pub reason: String,
}

/// Between what is missing and what is done about it, in the reason of a decision for lack of data.
const HOLDING: &str = ": holding ";

/// What moved a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Figures are missing, so the pool holds still.
    NoData,
    /// Figures are there and ask for no change.
    Steady,
    /// The target lay outside the limits. Neither cooldown nor hold stops it.
    Limits,
    /// Healthy nodes are too few. Cooldown does not stop it.
    Repair,
    /// The load asks for it. It starts a cooldown.
    Demand,
    /// The load asks for more than the maximum, or less than the minimum, which the pool has already.
    AtLimit,
    /// The load asks for a change too soon after the last one.
    Cooldown,
    /// An operator set the target, and the strategy keeps off for a while.
    ByHand,
}

impl Cause {
    /// The word for it in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no-data",
            Self::Steady => "steady",
            Self::Limits => "limits",
            Self::Repair => "repair",
            Self::Demand => "demand",
            Self::AtLimit => "at-limit",
            Self::Cooldown => "cooldown",
            Self::ByHand => "by-hand",
        }
    }
}

impl Decision {
    /// Keeps the target, moved into the limits if it lies outside.
    pub fn within_limits(view: &PoolView) -> Self {
        let Limits { min, max } = view.limits;
        let (target, reason) = match view.target {
            target if target < min => (min, format!("target {target} is below the minimum {min}")),
            target if target > max => (max, format!("target {target} is above the maximum {max}")),
            target => (target, format!("target {target} is within {min} to {max}")),
        };
        // A maximum below the minimum cannot be configured, but must not lift the target over it.
        let target = view.limits.clamp(target);
        let cause = match target == view.target {
            true => Cause::Steady,
            false => Cause::Limits,
        };
        Self { target, limits: view.limits, cause, reason }
    }

    /// Keeps the target because figures are missing; the limits still hold.
    pub fn no_data(view: &PoolView, missing: &str) -> Self {
        let held = Self::within_limits(view);
        match held.cause {
            Cause::Limits => held,
            Cause::NoData
            | Cause::Steady
            | Cause::Repair
            | Cause::Demand
            | Cause::AtLimit
            | Cause::Cooldown
            | Cause::ByHand => Self {
                cause: Cause::NoData,
                reason: format!("{missing}{HOLDING}{}", held.target),
                ..held
            },
        }
    }

    /// What a decision for lack of data misses.
    pub(super) fn missing(&self) -> &str {
        self.reason.split_once(HOLDING).map_or(&*self.reason, |(missing, _)| missing)
    }

    /// A number that the load asks for, brought within the limits; `figures` says what the load is.
    pub fn demand(view: &PoolView, wanted: u32, figures: &str) -> Self {
        let target = view.limits.clamp(wanted);
        let Limits { min, max } = view.limits;
        let bound = match wanted {
            wanted if wanted > max => format!(", held to the maximum {max}"),
            wanted if wanted < min => format!(", held to the minimum {min}"),
            _ => String::new(),
        };
        let (cause, change) = match target == view.target {
            true if wanted != target => (Cause::AtLimit, format!("stay at {target}")),
            true => (Cause::Steady, format!("stay at {target}")),
            false => (Cause::Demand, format!("{} to {target}", view.target)),
        };
        Self { target, limits: view.limits, cause, reason: format!("{figures}: {change}{bound}") }
    }

    /// The decision as it may stand whoever made it: within the pool's limits, and of the kind that it is. No
    /// claim of its maker takes it past a cooldown or a hold.
    pub(super) fn bounded(self, view: &PoolView) -> Self {
        let target = view.limits.clamp(self.target);
        let still = target == view.target;
        let outside = view.limits.clamp(view.target) != view.target;
        let ailing = view.healthy.saturating_add(view.booting) < view.limits.min;
        let one_more = target == view.target.saturating_add(1);
        let cause = if still {
            match self.cause {
                cause @ (Cause::NoData | Cause::AtLimit) => cause,
                Cause::Steady
                | Cause::Limits
                | Cause::Repair
                | Cause::Demand
                | Cause::Cooldown
                | Cause::ByHand => Cause::Steady,
            }
        } else if self.cause == Cause::Repair && ailing && one_more {
            Cause::Repair
        } else if outside && target == view.limits.clamp(view.target) {
            Cause::Limits
        } else {
            Cause::Demand
        };
        let reason = match self.reason.is_empty() {
            true => format!("it gave no reason: {target}"),
            false => self.reason,
        };
        Self { target, limits: view.limits, cause, reason }
    }

    /// Whether the change should be followed by a cooldown.
    pub fn starts_cooldown(&self) -> bool {
        self.cause == Cause::Demand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(target: u32, min: u32, max: u32) -> PoolView {
        PoolView { target, limits: Limits { min, max }, ..PoolView::default() }
    }

    /// Without it a lowered maximum or a raised minimum would wait for the load to change.
    #[test]
    fn limits_move_the_target() {
        for (target, min, max, expected, cause) in [
            (3, 2, 8, 3, Cause::Steady),
            (2, 2, 8, 2, Cause::Steady),
            (8, 2, 8, 8, Cause::Steady),
            (1, 2, 8, 2, Cause::Limits),
            (0, 2, 8, 2, Cause::Limits),
            (9, 2, 8, 8, Cause::Limits),
            (9, 8, 2, 2, Cause::Limits),
            (0, 8, 2, 2, Cause::Limits),
        ] {
            let decision = Decision::within_limits(&view(target, min, max));
            assert_eq!(
                (decision.target, decision.cause),
                (expected, cause),
                "{target} {min} {max}"
            );
        }
    }

    /// Without it a person could not see from the reason what the pool wanted and what held it.
    #[test]
    fn reasons_state_the_figures() {
        let demand = |wanted| Decision::demand(&view(4, 2, 8), wanted, "queue 70").reason;
        assert_eq!(demand(6), "queue 70: 4 to 6");
        assert_eq!(demand(4), "queue 70: stay at 4");
        assert_eq!(demand(12), "queue 70: 4 to 8, held to the maximum 8");
        assert_eq!(demand(1), "queue 70: 4 to 2, held to the minimum 2");
        assert_eq!(Decision::no_data(&view(4, 2, 8), "no queue").reason, "no queue: holding 4");
        assert_eq!(
            Decision::no_data(&view(1, 2, 8), "no queue").reason,
            "target 1 is below the minimum 2"
        );
    }
}
