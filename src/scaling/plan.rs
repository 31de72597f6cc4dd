use super::{
    Autoscaler,
    decision::{Cause, Decision},
    view::PoolView,
};

/// What keeps a pool's autoscaler from acting. All are LogTime in milliseconds; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The last change by load is too recent for a step up until then.
    pub scale_up_after_ms: u64,
    /// The same for a step down.
    pub scale_down_after_ms: u64,
    /// An operator set the target and keeps the autoscaler off until then.
    pub hold_until_ms: u64,
}

/// The target that a pool should have now. A cooldown holds scaling its way, but neither repair nor the way
/// back into the limits; a hold leaves the limits alone to act.
pub fn plan_target(autoscaler: &dyn Autoscaler, view: &PoolView, gates: Gates) -> Decision {
    let decision = autoscaler.decide(view);
    if view.now_ms < gates.hold_until_ms {
        let left = (gates.hold_until_ms - view.now_ms).div_ceil(1_000);
        let why = format!("set by hand, held for {left} s more");
        return held(decision, view, (Cause::ByHand, &why));
    }
    let passes = match decision.cause {
        Cause::Demand => false,
        Cause::NoData
        | Cause::Steady
        | Cause::Limits
        | Cause::Repair
        | Cause::AtLimit
        | Cause::Cooldown
        | Cause::ByHand => true,
    };
    let until_ms = match decision.target > view.target {
        true => gates.scale_up_after_ms,
        false => gates.scale_down_after_ms,
    };
    if passes || view.now_ms >= until_ms {
        return decision;
    }
    let left = (until_ms - view.now_ms).div_ceil(1_000);
    held(decision, view, (Cause::Cooldown, &format!("cooling down for {left} s more")))
}

/// The target as it stands, within the limits that the decision found in force.
fn held(decision: Decision, view: &PoolView, (cause, why): (Cause, &str)) -> Decision {
    let mut inner = view.clone();
    inner.limits = decision.limits;
    let kept = Decision::within_limits(&inner);
    if kept.cause == Cause::Limits {
        return kept;
    }
    let reason = format!("{why} ({})", decision.reason);
    Decision { reason, cause, ..kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Limits;
    use navarch_proto::fleet::{Autoscaling, Reactive, autoscaling::Strategy};

    fn reactive() -> Autoscaling {
        Autoscaling {
            strategy: Some(Strategy::Reactive(Reactive { scale_up_at: 80.0, scale_down_at: 20.0 })),
        }
    }

    fn view(target: u32, healthy: u32, utilization: f64) -> PoolView {
        PoolView {
            target,
            size: target,
            healthy,
            limits: Limits { min: 2, max: 8 },
            utilization: Some(utilization),
            now_ms: 10_000,
            ..PoolView::default()
        }
    }

    const FREE: Gates =
        Gates { scale_up_after_ms: 10_000, scale_down_after_ms: 10_000, hold_until_ms: 10_000 };
    const COOLING: Gates =
        Gates { scale_up_after_ms: 10_001, scale_down_after_ms: 10_001, hold_until_ms: 0 };
    const HELD: Gates = Gates { hold_until_ms: 10_001, ..open() };

    const fn open() -> Gates {
        Gates { scale_up_after_ms: 0, scale_down_after_ms: 0, hold_until_ms: 0 }
    }

    /// Without it a cooldown could stop a repair, or a hold could leave a pool below its minimum.
    #[test]
    fn gates_hold_what_they_should() {
        let cases = [
            ("demand", view(4, 4, 90.0), [5, 4, 4]),
            ("steady", view(4, 4, 50.0), [4, 4, 4]),
            ("repair", view(4, 1, 50.0), [5, 5, 4]),
            ("below the minimum", view(1, 1, 50.0), [2, 2, 2]),
            ("above the maximum", view(9, 9, 90.0), [8, 8, 8]),
        ];
        for (what, view, expected) in cases {
            let seen = [FREE, COOLING, HELD]
                .map(|gates| plan_target(&Some(reactive()), &view, gates).target);
            assert_eq!(seen, expected, "{what}");
        }
    }

    /// Without it a pool that may grow at once could shrink at once as well, or wait to grow.
    #[test]
    fn up_and_down_have_gates_of_their_own() {
        let up = Gates { scale_up_after_ms: 10_001, ..open() };
        let down = Gates { scale_down_after_ms: 10_001, ..open() };
        for (what, utilization, gates, target, cause) in [
            ("up waits", 90.0, up, 4, Cause::Cooldown),
            ("up is free", 90.0, down, 5, Cause::Demand),
            ("down waits", 10.0, down, 4, Cause::Cooldown),
            ("down is free", 10.0, up, 3, Cause::Demand),
            ("nothing to do", 50.0, up, 4, Cause::Steady),
        ] {
            let plan = plan_target(&Some(reactive()), &view(4, 4, utilization), gates);
            assert_eq!((plan.target, plan.cause), (target, cause), "{what}: {}", plan.reason);
        }
    }

    /// Without it a pool with no `autoscaling` block would not come up to its minimum.
    #[test]
    fn without_a_strategy_only_the_limits_hold() {
        for (target, expected) in [(0, 2), (5, 5), (9, 8)] {
            assert_eq!(plan_target(&None, &view(target, 0, 99.0), FREE).target, expected);
        }
    }

    /// Without it a person could not see that the autoscaler wants something it may not do yet.
    #[test]
    fn the_reason_says_what_holds_and_what_was_wanted() {
        let plan = plan_target(&Some(reactive()), &view(4, 4, 90.0), COOLING);
        assert_eq!(
            plan.reason,
            "cooling down for 1 s more (utilisation 90.0 % is above 80 %: 4 to 5)"
        );
        assert_eq!(plan.cause, Cause::Cooldown);
        let plan = plan_target(&Some(reactive()), &view(4, 4, 90.0), HELD);
        assert_eq!(
            plan.reason,
            "set by hand, held for 1 s more (utilisation 90.0 % is above 80 %: 4 to 5)"
        );
    }
}
