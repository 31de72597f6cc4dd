//! Strategies at random, nested, over views at random.

use navarch_proto::fleet::{
    Autoscaling, Composite, Predictive, Queue, Reactive, Scheduled, Window,
    autoscaling::Strategy as Kind,
};
use proptest::{collection::vec, option, prelude::*};

use super::{Cause, Gates, Limits, Origins, PoolView, Sample, decide, plan_target};

fn percent() -> impl Strategy<Value = f64> {
    prop_oneof![9 => 0.0..120.0f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn limits() -> impl Strategy<Value = Limits> {
    (0u32..50, 0u32..50).prop_map(|(min, more)| Limits { min, max: min + more })
}

fn window() -> impl Strategy<Value = Window> {
    let days = vec(prop_oneof![Just("monday"), Just("thursday"), Just("sunday")], 0..3);
    (days, 0u32..24, 0u32..=24, limits()).prop_map(|(days, start_hour, end_hour, limits)| Window {
        days: days.into_iter().map(str::to_owned).collect(),
        start_hour,
        end_hour,
        min_nodes: limits.min,
        max_nodes: limits.max,
    })
}

fn autoscaling() -> impl Strategy<Value = Autoscaling> {
    let wrap = |kind| Autoscaling { strategy: Some(kind) };
    let reactive = (percent(), percent()).prop_map(move |(scale_up_at, scale_down_at)| {
        wrap(Kind::Reactive(Reactive { scale_up_at, scale_down_at }))
    });
    let queue =
        (0u32..20).prop_map(move |jobs_per_node| wrap(Kind::Queue(Queue { jobs_per_node })));
    let leaf = prop_oneof![reactive, queue, Just(Autoscaling::default())];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let fallback = option::of(inner.clone().prop_map(Box::new));
        let zone = prop_oneof![Just(""), Just("Asia/Tokyo"), Just("Nowhere")];
        let scheduled = (vec(window(), 0..4), fallback.clone(), zone).prop_map(
            move |(schedule, fallback, zone)| {
                let time_zone = zone.to_owned();
                wrap(Kind::Scheduled(Box::new(Scheduled { schedule, fallback, time_zone })))
            },
        );
        let predictive = (0u32..12, 0.0..50.0f64, fallback).prop_map(
            move |(lookback_window, growth_factor, fallback)| {
                wrap(Kind::Predictive(Box::new(Predictive {
                    lookback_window,
                    growth_factor,
                    fallback,
                })))
            },
        );
        let mode = prop_oneof![Just("max"), Just("min"), Just("avg")];
        let composite = (mode, vec(inner, 0..4)).prop_map(move |(mode, autoscalers)| {
            wrap(Kind::Composite(Composite { mode: mode.to_owned(), autoscalers }))
        });
        prop_oneof![scheduled, predictive, composite]
    })
}

fn view() -> impl Strategy<Value = PoolView> {
    let counts = (0u32..120, 0u32..120, 0u32..120, 0u32..10, 0u32..3);
    let figures = (option::of(percent()), vec((any::<u32>(), percent()), 0..15));
    let jobs = (option::of(any::<u32>()), option::of(any::<u32>()));
    let times = (0u64..10_000_000, 0u64..4_000_000_000_000);
    (counts, limits(), figures, jobs, times).prop_map(|(counts, limits, figures, jobs, times)| {
        let (target, size, healthy, booting, replacing) = counts;
        let sample = |(at, utilization)| Sample { at_ms: u64::from(at), utilization };
        PoolView {
            target,
            size,
            healthy,
            booting,
            replacing,
            limits,
            utilization: figures.0,
            history: figures.1.into_iter().map(sample).collect(),
            pending_jobs: jobs.0,
            queue_depth: jobs.1,
            origins: Origins::default(),
            provisioning_delay_ms: times.0,
            now_ms: times.1,
        }
    })
}

fn gates() -> impl Strategy<Value = Gates> {
    let time = || prop_oneof![1 => Just(0), 4 => 0u64..4_000_000_000_000];
    (time(), time(), time()).prop_map(|(scale_up_after_ms, scale_down_after_ms, hold_until_ms)| {
        Gates { scale_up_after_ms, scale_down_after_ms, hold_until_ms }
    })
}

proptest! {
    /// Without it some strategy could act on load before its way has cooled down, or a cooldown could hold a repair or
    /// the way back into the limits.
    #[test]
    fn cooldowns_hold_their_way_and_nothing_else(
        autoscaling in autoscaling(),
        view in view(),
        gates in gates(),
    ) {
        let gates = Gates { hold_until_ms: 0, ..gates };
        let wanted = decide(&autoscaling, &view);
        let planned = plan_target(&Some(autoscaling.clone()), &view, gates);
        let up = wanted.target > view.target;
        let until_ms = if up { gates.scale_up_after_ms } else { gates.scale_down_after_ms };
        if wanted.cause == Cause::Demand && view.now_ms < until_ms {
            prop_assert_ne!(planned.cause, Cause::Demand);
            prop_assert!(planned.cause == Cause::Limits || planned.target == view.target);
        } else {
            prop_assert_eq!(planned, wanted);
        }
    }

    /// Without it steps in a row could come closer to each other than their cooldown, whatever the load does between.
    #[test]
    fn steps_keep_their_distance(
        loads in vec((0.0..100.0f64, 0u64..200_000), 1..60),
        up_ms in 0u64..400_000,
        down_ms in 0u64..400_000,
    ) {
        let reactive = Reactive { scale_up_at: 80.0, scale_down_at: 20.0 };
        let autoscaling = Autoscaling { strategy: Some(Kind::Reactive(reactive)) };
        let (mut target, mut now_ms, mut gates) = (5, 1_000_000, Gates::default());
        let mut last: Option<u64> = None;
        for (utilization, advance_ms) in loads {
            now_ms += advance_ms;
            let limits = Limits { min: 1, max: 9 };
            let (size, healthy, utilization) = (target, target, Some(utilization));
            let view =
                PoolView { target, size, healthy, limits, utilization, now_ms, ..Default::default() };
            let decision = plan_target(&Some(autoscaling.clone()), &view, gates);
            if decision.starts_cooldown() {
                let apart_ms = last.map_or(u64::MAX, |last| now_ms - last);
                let least_ms = if decision.target > target { up_ms } else { down_ms };
                prop_assert!(apart_ms >= least_ms, "{apart_ms} ms: {}", decision.reason);
                last = Some(now_ms);
                gates.scale_up_after_ms = now_ms + up_ms;
                gates.scale_down_after_ms = now_ms + down_ms;
            }
            target = decision.target;
        }
    }

    /// Without it some nesting of strategies or odd figure could buy past a maximum or sink below a
    /// minimum.
    #[test]
    fn the_target_is_always_within_the_limits_in_force(
        autoscaling in autoscaling(),
        view in view(),
        gates in gates(),
    ) {
        for decision in [
            decide(&autoscaling, &view),
            plan_target(&Some(autoscaling.clone()), &view, gates),
            plan_target(&None, &view, gates),
        ] {
            let Limits { min, max } = decision.limits;
            prop_assert!(min <= decision.target && decision.target <= max, "{decision:?}");
            prop_assert!(!decision.reason.is_empty());
            let still = match decision.cause {
                Cause::Steady | Cause::NoData | Cause::AtLimit | Cause::Cooldown | Cause::ByHand => {
                    true
                }
                Cause::Limits | Cause::Repair | Cause::Demand => false,
            };
            prop_assert_eq!(still, decision.target == view.target, "{:?}", decision);
        }
    }
}
