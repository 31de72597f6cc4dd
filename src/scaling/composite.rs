use navarch_proto::fleet::Composite;

use super::{
    decision::{Cause, Decision},
    view::PoolView,
};

/// The largest, the smallest or the average (rounded down) of what the members want. A member
/// without data abstains; if all do, the pool holds. The limits of a schedule among the members
/// bind that member alone.
pub(super) fn decide(composite: &Composite, view: &PoolView) -> Decision {
    let members = composite.autoscalers.iter().map(|member| super::decide(member, view));
    let (votes, silent): (Vec<Decision>, Vec<Decision>) =
        members.partition(|vote| vote.cause != Cause::NoData);
    let asked = composite.autoscalers.len();
    if votes.is_empty() {
        let missing: Vec<&str> = silent.iter().map(Decision::missing).collect();
        let missing = missing.join("; ");
        return Decision::no_data(
            view,
            &format!("none of {asked} strategies has data [{missing}]"),
        );
    }
    let targets = votes.iter().map(|vote| vote.target);
    let wanted = match composite.mode.as_str() {
        "min" => targets.min(),
        "avg" => average(&votes),
        _ => targets.max(),
    };
    let wanted = wanted.unwrap_or(view.target);
    let mode = match composite.mode.as_str() {
        mode @ ("min" | "avg") => mode,
        _ => "max",
    };
    let abstained = match asked - votes.len() {
        0 => String::new(),
        count => format!(", {count} without data"),
    };
    let reasons: Vec<&str> = votes.iter().map(|vote| vote.reason.as_str()).collect();
    let figures = format!("{mode} of [{}]{abstained}", reasons.join("; "));
    let mut decision = Decision::demand(view, wanted, &figures);
    if decision.cause == Cause::Demand && !votes.iter().any(Decision::starts_cooldown) {
        decision.cause = strongest(&votes);
    }
    decision
}

/// Without demand in any vote, a change is a repair or the limits' doing.
fn strongest(votes: &[Decision]) -> Cause {
    match votes.iter().any(|vote| vote.cause == Cause::Repair) {
        true => Cause::Repair,
        false => Cause::Limits,
    }
}

fn average(votes: &[Decision]) -> Option<u32> {
    let sum: u64 = votes.iter().map(|vote| u64::from(vote.target)).sum();
    let count = u64::try_from(votes.len()).ok()?;
    u32::try_from(sum.checked_div(count)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Limits;
    use navarch_proto::fleet::{
        Autoscaling, Queue, Reactive, Scheduled, Window, autoscaling::Strategy,
    };

    fn queue(jobs_per_node: u32) -> Autoscaling {
        Autoscaling { strategy: Some(Strategy::Queue(Queue { jobs_per_node })) }
    }

    fn reactive() -> Autoscaling {
        Autoscaling {
            strategy: Some(Strategy::Reactive(Reactive { scale_up_at: 80.0, scale_down_at: 20.0 })),
        }
    }

    fn view(queue_depth: Option<u32>, utilization: Option<f64>) -> PoolView {
        PoolView {
            target: 4,
            size: 4,
            healthy: 4,
            limits: Limits { min: 1, max: 20 },
            queue_depth,
            utilization,
            ..PoolView::default()
        }
    }

    /// Without it a mode could pick the wrong vote, or average up.
    #[test]
    fn modes() {
        let members = vec![queue(10), queue(5), reactive()];
        for (mode, depth, utilization, expected, cause) in [
            ("max", Some(60), Some(90.0), 12, Cause::Demand), // 6, 12, 5
            ("min", Some(60), Some(90.0), 5, Cause::Demand),
            ("avg", Some(60), Some(90.0), 7, Cause::Demand), // 23 / 3
            ("", Some(60), Some(90.0), 12, Cause::Demand),
            ("max", None, Some(90.0), 5, Cause::Demand),
            ("min", Some(60), None, 6, Cause::Demand),
            ("avg", Some(60), None, 9, Cause::Demand),
            ("avg", None, Some(50.0), 4, Cause::Steady),
            ("max", None, None, 4, Cause::NoData),
        ] {
            let composite = Composite { mode: mode.to_owned(), autoscalers: members.clone() };
            let decision = decide(&composite, &view(depth, utilization));
            assert_eq!(
                (decision.target, decision.cause),
                (expected, cause),
                "{mode}: {}",
                decision.reason
            );
        }
        let none = decide(&Composite::default(), &view(Some(1), Some(1.0)));
        assert_eq!((none.target, none.cause), (4, Cause::NoData));
    }

    /// Without it a window inside a composite could lift the pool over its own maximum.
    #[test]
    fn a_members_window_does_not_lift_the_pools_limits() {
        let window = Window { end_hour: 24, min_nodes: 50, max_nodes: 60, ..Window::default() };
        let scheduled = Scheduled { schedule: vec![window], ..Scheduled::default() };
        let member = Autoscaling { strategy: Some(Strategy::Scheduled(Box::new(scheduled))) };
        let composite = Composite { mode: "max".to_owned(), autoscalers: vec![member] };
        let decision = decide(&composite, &view(None, None));
        assert_eq!((decision.target, decision.limits.max), (20, 20));
    }

    /// Without it a cooldown would hold back the repair of a pool with a composite strategy.
    #[test]
    fn a_repair_stays_a_repair() {
        let composite = Composite { mode: "max".to_owned(), autoscalers: vec![reactive()] };
        let mut view = view(None, Some(50.0));
        view.limits.min = 3;
        view.healthy = 1;
        let decision = decide(&composite, &view);
        assert_eq!((decision.target, decision.cause), (5, Cause::Repair));
    }
}
