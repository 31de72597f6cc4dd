use navarch_proto::fleet::Queue;

use super::{
    decision::Decision,
    view::{PoolView, with_origin},
};

/// As many nodes as the jobs that wait or run fill, rounded up. A zero `jobs_per_node` keeps the
/// target.
pub(super) fn decide(queue: &Queue, view: &PoolView) -> Decision {
    let per_node = queue.jobs_per_node;
    let Some(depth) = view.queue_depth else {
        let missing = with_origin("no fresh queue depth", &view.origins.queue_depth);
        return Decision::no_data(view, &missing);
    };
    if per_node == 0 {
        return Decision::demand(view, view.target, "`jobs_per_node` is 0");
    }
    let needed = depth.div_ceil(per_node);
    let depth = with_origin(&format!("queue depth {depth}"), &view.origins.queue_depth);
    let pending = match view.pending_jobs {
        Some(pending) => {
            let waiting = format!(", {pending} of them waiting");
            with_origin(&waiting, &view.origins.pending_jobs)
        }
        None => String::new(),
    };
    let figures = format!("{depth}{pending}: {needed} nodes at {per_node} jobs a node");
    Decision::demand(view, needed, &figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::{Cause, Limits};

    fn view(target: u32, queue_depth: Option<u32>) -> PoolView {
        PoolView {
            target,
            size: target,
            limits: Limits { min: 2, max: 8 },
            queue_depth,
            ..PoolView::default()
        }
    }

    /// Without it a rounding slip would leave jobs without a node, or an empty queue go below the
    /// minimum.
    #[test]
    fn jobs_become_nodes() {
        for (jobs_per_node, depth, expected, cause) in [
            (10, Some(40), 4, Cause::Steady),
            (10, Some(41), 5, Cause::Demand),
            (10, Some(50), 5, Cause::Demand),
            (10, Some(30), 3, Cause::Demand),
            (10, Some(0), 2, Cause::Demand),
            (10, Some(81), 8, Cause::Demand),
            (1, Some(u32::MAX), 8, Cause::Demand),
            (0, Some(40), 4, Cause::Steady),
            (10, None, 4, Cause::NoData),
        ] {
            let decision = decide(&Queue { jobs_per_node }, &view(4, depth));
            assert_eq!(
                (decision.target, decision.cause),
                (expected, cause),
                "{jobs_per_node} {depth:?}"
            );
        }
    }

    /// Without it the limits would not hold while the workload system is silent or the strategy is
    /// off.
    #[test]
    fn limits_hold_without_figures() {
        for (target, expected) in [(0, 2), (9, 8)] {
            assert_eq!(decide(&Queue { jobs_per_node: 10 }, &view(target, None)).target, expected);
            assert_eq!(
                decide(&Queue { jobs_per_node: 0 }, &view(target, Some(1))).target,
                expected
            );
        }
    }

    /// Without it the journal would not say which figures moved a pool.
    #[test]
    fn the_reason_states_the_figures() {
        let mut view = view(4, Some(95));
        view.pending_jobs = Some(60);
        let reason = decide(&Queue { jobs_per_node: 10 }, &view).reason;
        assert_eq!(
            reason,
            "queue depth 95, 60 of them waiting: 10 nodes at 10 jobs a node: 4 to 8, held to the maximum 8"
        );
        view.origins.queue_depth = "pushed 12 s ago".to_owned();
        view.pending_jobs = None;
        let reason = decide(&Queue { jobs_per_node: 20 }, &view).reason;
        assert_eq!(reason, "queue depth 95 (pushed 12 s ago): 5 nodes at 20 jobs a node: 4 to 5");
        view.queue_depth = None;
        view.origins.queue_depth = "pushed: no report that holds".to_owned();
        let reason = decide(&Queue { jobs_per_node: 20 }, &view).reason;
        assert_eq!(reason, "no fresh queue depth (pushed: no report that holds): holding 4");
    }
}
