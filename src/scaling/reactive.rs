use navarch_proto::fleet::Reactive;

use super::{
    decision::{Cause, Decision},
    view::{PoolView, with_origin},
};

/// Nodes a decision adds or takes away.
const STEP: u32 = 1;

/// One node more above `scale_up_at`, one fewer below `scale_down_at`, neither at exactly a
/// threshold. Below the minimum it goes straight there. While healthy nodes are too few, and
/// neither machines on their way nor replacements will make up for it, it adds one. A step waits
/// until the pool has the size of the last one.
pub(super) fn decide(reactive: &Reactive, view: &PoolView) -> Decision {
    let held = Decision::within_limits(view);
    if held.cause == Cause::Limits {
        return held;
    }
    if let Some(repair) = repair(view) {
        return repair;
    }
    let Some(utilization) = view.utilization.filter(|value| value.is_finite()) else {
        let missing = with_origin("no fresh utilisation", &view.origins.utilization);
        return Decision::no_data(view, &missing);
    };
    let said = with_origin(&format!("utilisation {utilization:.1} %"), &view.origins.utilization);
    let (up, down) = (reactive.scale_up_at, reactive.scale_down_at);
    if utilization > up {
        let figures = format!("{said} is above {up} %");
        return match view.size < view.target {
            true => waiting(view, &figures),
            false => Decision::demand(view, view.target.saturating_add(STEP), &figures),
        };
    }
    if utilization < down {
        let figures = format!("{said} is below {down} %");
        return match view.size > view.target {
            true => waiting(view, &figures),
            false => Decision::demand(view, view.target.saturating_sub(STEP), &figures),
        };
    }
    let figures = format!("{said} is within {down} to {up} %");
    Decision::demand(view, view.target, &figures)
}

/// The last step is still being made; another on the same figures would overshoot.
fn waiting(view: &PoolView, figures: &str) -> Decision {
    let figures =
        format!("{figures}, but the pool still moves from {} to {}", view.size, view.target);
    Decision::demand(view, view.target, &figures)
}

fn repair(view: &PoolView) -> Option<Decision> {
    let promised = view.healthy.saturating_add(view.booting);
    let min = view.limits.min;
    let moving = view.size < view.target;
    if promised >= min || view.target >= view.limits.max || view.replacing > 0 || moving {
        return None;
    }
    let target = view.limits.clamp(view.target.saturating_add(STEP));
    let (healthy, booting) = (view.healthy, view.booting);
    Some(Decision {
        target,
        limits: view.limits,
        cause: Cause::Repair,
        reason: format!(
            "{healthy} healthy and {booting} starting are below the minimum {min}: {} to {target}",
            view.target
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Limits;

    const REACTIVE: Reactive = Reactive { scale_up_at: 80.0, scale_down_at: 20.0 };

    fn view(target: u32, utilization: Option<f64>) -> PoolView {
        PoolView {
            target,
            size: target,
            healthy: target,
            limits: Limits { min: 2, max: 8 },
            utilization,
            ..PoolView::default()
        }
    }

    /// Without it a threshold could be off by one side, or a step could leave the limits.
    #[test]
    fn thresholds_and_limits() {
        for (target, utilization, expected, cause) in [
            (4, Some(80.1), 5, Cause::Demand),
            (4, Some(80.0), 4, Cause::Steady),
            (4, Some(50.0), 4, Cause::Steady),
            (4, Some(20.0), 4, Cause::Steady),
            (4, Some(19.9), 3, Cause::Demand),
            (4, Some(0.0), 3, Cause::Demand),
            (8, Some(99.0), 8, Cause::AtLimit),
            (2, Some(1.0), 2, Cause::AtLimit),
            (0, Some(1.0), 2, Cause::Limits),
            (1, None, 2, Cause::Limits),
            (9, Some(99.0), 8, Cause::Limits),
            (4, None, 4, Cause::NoData),
            (4, Some(f64::NAN), 4, Cause::NoData),
        ] {
            let decision = decide(&REACTIVE, &view(target, utilization));
            let seen = (decision.target, decision.cause);
            assert_eq!(seen, (expected, cause), "{target} {utilization:?}: {}", decision.reason);
        }
    }

    /// Without it a cloud out of capacity would drive the target to the maximum, one step an
    /// evaluation.
    #[test]
    fn a_step_waits_for_the_one_before() {
        for (size, utilization, expected) in
            [(3, 90.0, 4), (4, 90.0, 5), (5, 90.0, 5), (5, 10.0, 4), (4, 10.0, 3), (3, 10.0, 3)]
        {
            let mut view = view(4, Some(utilization));
            view.size = size;
            assert_eq!(decide(&REACTIVE, &view).target, expected, "{size} {utilization}");
        }
    }

    /// Without it broken machines would count as capacity, or a start from nothing would buy twice.
    #[test]
    fn too_few_healthy_nodes_are_made_up_for_once() {
        for (healthy, booting, replacing, size, expected, cause) in [
            (1, 0, 0, 4, 5, Cause::Repair),
            (0, 0, 0, 4, 5, Cause::Repair),
            (1, 1, 0, 4, 4, Cause::Steady),
            (0, 4, 0, 4, 4, Cause::Steady),
            (1, 0, 1, 4, 4, Cause::Steady),
            (1, 0, 0, 3, 4, Cause::Steady),
            (2, 0, 0, 4, 4, Cause::Steady),
        ] {
            let mut view = view(4, Some(50.0));
            (view.healthy, view.booting, view.replacing, view.size) =
                (healthy, booting, replacing, size);
            let decision = decide(&REACTIVE, &view);
            assert_eq!(
                (decision.target, decision.cause),
                (expected, cause),
                "{healthy} {booting} {replacing} {size}"
            );
        }
        let mut full = view(8, Some(50.0));
        full.healthy = 0;
        assert_eq!(decide(&REACTIVE, &full).target, 8);
    }

    /// Without it the journal would not say which figures moved a pool.
    #[test]
    fn the_reason_states_the_figures() {
        let reason = decide(&REACTIVE, &view(4, Some(91.26))).reason;
        assert_eq!(reason, "utilisation 91.3 % is above 80 %: 4 to 5");
        let mut view = view(4, Some(91.26));
        view.origins.utilization = "heartbeats 3 s ago".to_owned();
        let reason = decide(&REACTIVE, &view).reason;
        assert_eq!(reason, "utilisation 91.3 % (heartbeats 3 s ago) is above 80 %: 4 to 5");
    }
}
