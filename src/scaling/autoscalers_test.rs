use navarch_proto::fleet::{Autoscaling, Queue, autoscaling::Strategy};

use super::*;
use crate::scaling::{Cause, Limits};

/// Somebody's autoscaler, that answers as it is told.
struct Says(&'static str, fn(&PoolView) -> Decision);

impl Autoscaler for Says {
    fn name(&self) -> &str {
        self.0
    }

    fn needs(&self) -> Needs {
        Needs { queue_depth: true, ..Needs::default() }
    }

    fn decide(&self, view: &PoolView) -> Decision {
        self.1(view)
    }
}

fn own(name: &'static str, decide: fn(&PoolView) -> Decision) -> Autoscalers {
    let autoscaler: Arc<dyn Autoscaler> = Arc::new(Says(name, decide));
    Autoscalers::new(BTreeMap::from([("a".to_owned(), autoscaler)])).unwrap()
}

/// Configured to go by its queue.
fn pool(name: &str) -> PoolSpec {
    let strategy = Some(Strategy::Queue(Queue { jobs_per_node: 10 }));
    let autoscaling = Some(Autoscaling { strategy });
    PoolSpec { name: name.to_owned(), autoscaling, ..PoolSpec::default() }
}

fn view() -> PoolView {
    PoolView {
        target: 4,
        size: 4,
        healthy: 4,
        limits: Limits { min: 2, max: 8 },
        queue_depth: Some(60),
        now_ms: 10_000,
        ..PoolView::default()
    }
}

const FREE: Gates = Gates { scale_up_after_ms: 0, scale_down_after_ms: 0, hold_until_ms: 0 };
const COOLING: Gates = Gates { scale_up_after_ms: 20_000, scale_down_after_ms: 20_000, ..FREE };
const HELD: Gates = Gates { hold_until_ms: 20_000, ..FREE };

/// Without it a pool would go by what is configured although its program knows better, or its neighbour by what was
/// meant for it.
#[test]
fn an_own_autoscaler_takes_the_place_of_the_configured_one() {
    let autoscalers = own("x-seven", |view| Decision::demand(view, 7, "always seven"));
    let decision = autoscalers.plan(&pool("a"), &view(), FREE);
    assert_eq!((decision.target, decision.cause), (7, Cause::Demand));
    assert_eq!(decision.reason, "x-seven: always seven: 4 to 7");
    assert_eq!(Autoscalers::author(&decision.reason), Some("x-seven"));
    assert_eq!(autoscalers.own_name("a"), Some("x-seven"));
    assert!(!autoscalers.needs(&pool("a")).pending_jobs, "its own needs");

    let other = autoscalers.plan(&pool("b"), &view(), FREE);
    assert_eq!((other.target, Autoscalers::author(&other.reason)), (6, None));
    assert!(autoscalers.needs(&pool("b")).pending_jobs, "those of the queue strategy");
}

fn claim(view: &PoolView, target: u32, cause: Cause) -> Decision {
    let limits = Limits { min: target, max: target };
    Decision { target, limits, cause, reason: format!("target {} is not enough", view.target) }
}

/// Without it an autoscaler of one's own could buy past the maximum, or act against a cooldown or an operator by
/// calling what it wants by another name.
#[test]
fn no_claim_passes_limits_cooldown_or_hold() {
    type Case = (fn(&PoolView) -> Decision, Gates, u32, Cause);
    let cases: [Case; 12] = [
        (|view| claim(view, 90, Cause::Demand), FREE, 8, Cause::Demand),
        (|view| claim(view, 0, Cause::Steady), FREE, 2, Cause::Demand),
        (|view| claim(view, 6, Cause::Steady), FREE, 6, Cause::Demand),
        (|view| claim(view, 4, Cause::Demand), FREE, 4, Cause::Steady),
        (|view| claim(view, 4, Cause::NoData), FREE, 4, Cause::NoData),
        (|view| claim(view, 6, Cause::Demand), COOLING, 4, Cause::Cooldown),
        (|view| claim(view, 6, Cause::Limits), COOLING, 4, Cause::Cooldown),
        (|view| claim(view, 5, Cause::Repair), COOLING, 4, Cause::Cooldown),
        (|view| claim(view, 6, Cause::ByHand), COOLING, 4, Cause::Cooldown),
        (|view| claim(view, 6, Cause::NoData), COOLING, 4, Cause::Cooldown),
        (|view| claim(view, 6, Cause::Demand), HELD, 4, Cause::ByHand),
        (|view| claim(view, 6, Cause::Limits), HELD, 4, Cause::ByHand),
    ];
    for (number, (decide, gates, target, cause)) in cases.into_iter().enumerate() {
        let decision = own("x-claims", decide).plan(&pool("a"), &view(), gates);
        assert_eq!((decision.target, decision.cause), (target, cause), "case {number}");
        assert_eq!(decision.limits, view().limits, "case {number}");
    }
    let repair = own("x-claims", |view| claim(view, 5, Cause::Repair));
    let ailing = PoolView { healthy: 1, ..view() };
    let decision = repair.plan(&pool("a"), &ailing, COOLING);
    assert_eq!((decision.target, decision.cause), (5, Cause::Repair), "a repair that is one");
    let outside = PoolView { target: 9, ..view() };
    let decision = repair.plan(&pool("a"), &outside, COOLING);
    assert_eq!((decision.target, decision.cause), (8, Cause::Limits), "the way back stays open");
}

/// Without it a mistake in an autoscaler of one's own would end the autoscaler of all pools.
#[test]
fn a_panic_holds_the_pool_and_says_so() {
    let autoscalers = own("x-breaks", |_| panic!("division by zero"));
    let decision = autoscalers.plan(&pool("a"), &view(), FREE);
    assert_eq!((decision.target, decision.cause), (4, Cause::NoData));
    assert_eq!(decision.reason, "x-breaks: it panicked, division by zero: holding 4");
    assert_eq!(autoscalers.plan(&pool("b"), &view(), FREE).target, 6);
}

/// Without it nobody could tell later who decided.
#[test]
fn a_name_that_could_be_mistaken_is_refused() {
    let autoscaler: Arc<dyn Autoscaler> = Arc::new(Says("queue", Decision::within_limits));
    let refused = Autoscalers::new(BTreeMap::from([("a".to_owned(), autoscaler)])).unwrap_err();
    assert!(refused.to_string().starts_with(r#"autoscaler "queue": a name of your own"#));
}
