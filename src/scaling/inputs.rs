use navarch_proto::fleet::{DecisionInputs, UtilizationSample};

use super::{
    plan::Gates,
    view::{Limits, Origins, PoolView, Sample},
};

/// What a decision was made from, as the log keeps it.
pub fn to_inputs(view: &PoolView, gates: Gates) -> DecisionInputs {
    let sample = |sample: &Sample| {
        let Sample { at_ms, utilization } = *sample;
        UtilizationSample { at_ms, utilization }
    };
    let Gates { scale_up_after_ms: up, scale_down_after_ms: down, hold_until_ms } = gates;
    let own = |at_ms| (up != down).then_some(at_ms);
    DecisionInputs {
        target: view.target,
        size: view.size,
        healthy: view.healthy,
        booting: view.booting,
        replacing: view.replacing,
        min_nodes: view.limits.min,
        max_nodes: view.limits.max,
        utilization: view.utilization,
        history: view.history.iter().map(sample).collect(),
        pending_jobs: view.pending_jobs,
        queue_depth: view.queue_depth,
        provisioning_delay_ms: view.provisioning_delay_ms,
        now_ms: view.now_ms,
        cooldown_until_ms: up.max(down),
        scale_up_after_ms: own(up),
        scale_down_after_ms: own(down),
        hold_until_ms,
        utilization_origin: view.origins.utilization.clone(),
        pending_jobs_origin: view.origins.pending_jobs.clone(),
        queue_depth_origin: view.origins.queue_depth.clone(),
    }
}

/// The way back, so that a decision can be made again.
pub fn from_inputs(inputs: &DecisionInputs) -> (PoolView, Gates) {
    let sample = |sample: &UtilizationSample| {
        let UtilizationSample { at_ms, utilization } = *sample;
        Sample { at_ms, utilization }
    };
    let view = PoolView {
        target: inputs.target,
        size: inputs.size,
        healthy: inputs.healthy,
        booting: inputs.booting,
        replacing: inputs.replacing,
        limits: Limits { min: inputs.min_nodes, max: inputs.max_nodes },
        utilization: inputs.utilization,
        history: inputs.history.iter().map(sample).collect(),
        pending_jobs: inputs.pending_jobs,
        queue_depth: inputs.queue_depth,
        origins: Origins {
            utilization: inputs.utilization_origin.clone(),
            pending_jobs: inputs.pending_jobs_origin.clone(),
            queue_depth: inputs.queue_depth_origin.clone(),
        },
        provisioning_delay_ms: inputs.provisioning_delay_ms,
        now_ms: inputs.now_ms,
    };
    let common = inputs.cooldown_until_ms;
    let gates = Gates {
        scale_up_after_ms: inputs.scale_up_after_ms.unwrap_or(common),
        scale_down_after_ms: inputs.scale_down_after_ms.unwrap_or(common),
        hold_until_ms: inputs.hold_until_ms,
    };
    (view, gates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a decision that is made again could be made from other figures.
    #[test]
    fn nothing_is_lost_on_the_way() {
        let view = PoolView {
            target: 1,
            size: 2,
            healthy: 3,
            booting: 4,
            replacing: 5,
            limits: Limits { min: 6, max: 7 },
            utilization: Some(8.5),
            history: vec![Sample { at_ms: 9, utilization: 10.0 }],
            pending_jobs: Some(11),
            queue_depth: Some(12),
            origins: Origins {
                utilization: "a".to_owned(),
                pending_jobs: "b".to_owned(),
                queue_depth: "c".to_owned(),
            },
            provisioning_delay_ms: 13,
            now_ms: 14,
        };
        for (scale_up_after_ms, scale_down_after_ms) in [(15, 15), (0, 15), (15, 0), (15, 17)] {
            let gates = Gates { scale_up_after_ms, scale_down_after_ms, hold_until_ms: 16 };
            assert_eq!(from_inputs(&to_inputs(&view, gates)), (view.clone(), gates));
        }
    }
}
