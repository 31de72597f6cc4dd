use navarch_proto::fleet::{
    ApplyFleetSpec, BreakerScope, DecisionInputs, FailInstance, FailureKind, FleetSpec, HoldPool,
    HoldReplacement, PausePool, PoolProvider, ProviderSpec, RecordBreaker, RequestInstance,
    ScalePool, SetPoolTarget, proposal::Kind,
};

use super::*;
use crate::ledger::{
    Author, Ledger,
    testing::{TestGroup, propose},
};

/// A pool `a` of 1 to 3 machines at provider `cloud`.
fn fleet() -> Ledger {
    let group = TestGroup::new();
    let (ledger, _) = group.leading(1);
    let provider =
        ProviderSpec { name: "cloud".to_owned(), r#type: "fake".to_owned(), ..Default::default() };
    let entry = PoolProvider { name: "cloud".to_owned(), weight: 1, ..Default::default() };
    let pool = PoolSpec {
        name: "a".to_owned(),
        providers: vec![entry],
        instance_type: "h100".to_owned(),
        min_nodes: 1,
        max_nodes: 3,
        cooldown_ms: 60_000,
        ..PoolSpec::default()
    };
    let spec = FleetSpec { providers: vec![provider], pools: vec![pool], ..FleetSpec::default() };
    accept(
        &ledger,
        Kind::ApplyFleetSpec(ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() }),
    );
    ledger
}

fn accept(ledger: &Ledger, kind: Kind) {
    propose(ledger, kind, &Author::caller("operator")).unwrap();
}

fn order(id: &str) -> Kind {
    Kind::RequestInstance(RequestInstance {
        instance_id: id.to_owned(),
        pool: "a".to_owned(),
        provider: "cloud".to_owned(),
        region: "eu".to_owned(),
        instance_type: "h100".to_owned(),
        request_body: vec![1].into(),
        ..RequestInstance::default()
    })
}

fn decision(cause: &str, reason: &str, start_cooldown: bool) -> Kind {
    let inputs = DecisionInputs { target: 1, min_nodes: 1, max_nodes: 3, ..Default::default() };
    Kind::SetPoolTarget(SetPoolTarget {
        pool: "a".to_owned(),
        target: 1,
        reason: reason.to_owned(),
        pool_revision: 1,
        start_cooldown,
        cause: cause.to_owned(),
        inputs: Some(inputs),
    })
}

/// Without it an operator would have to guess why a pool is not as large as it should be.
#[tokio::test(flavor = "current_thread")]
async fn each_reason_is_told_with_its_figures() {
    let pool = || "a".to_owned();
    let steps: [(&str, Vec<Kind>, &str); 7] = [
        (
            "held",
            vec![Kind::HoldPool(HoldPool { pool: pool(), reason: "sold out".to_owned() })],
            "purchases: held: sold out",
        ),
        (
            "in cooldown",
            vec![decision("cooldown", "cooling down for 60 s more (busy)", true)],
            "cooldown: no scaling by load before",
        ),
        (
            "out of capacity",
            vec![
                order("i1"),
                Kind::FailInstance(FailInstance {
                    instance_id: "i1".to_owned(),
                    kind: FailureKind::Capacity.into(),
                    ..FailInstance::default()
                }),
            ],
            "capacity: cloud refused h100 in \"eu\" 1 times in a row; asked again in 30 s",
        ),
        (
            "at its maximum",
            ["i1", "i2", "i3"].map(order).to_vec(),
            "occupancy: 3 machines are not known to be gone, its maximum",
        ),
        (
            "stopped by the breaker",
            vec![Kind::HoldReplacement(HoldReplacement {
                pool: pool(),
                reason: "more than 55 % of the pool's nodes are unhealthy".to_owned(),
            })],
            "replacement: more than 55 %",
        ),
        (
            "set by hand",
            vec![Kind::ScalePool(ScalePool { pool: pool(), target: 2, hold_until_ms: u64::MAX })],
            "set by hand: the strategy keeps off until",
        ),
        (
            "paused",
            vec![Kind::PausePool(PausePool { pool: pool(), paused: true, ..Default::default() })],
            "paused: `navarch pool resume`",
        ),
    ];
    for (what, kinds, expected) in steps {
        let ledger = fleet();
        for kind in kinds {
            accept(&ledger, kind);
        }
        let now = LogTime::from_ms(ledger.log_time_ms());
        let explained = explain(&ledger.view().fleet, "a", &Autoscalers::default(), now).unwrap();
        let told: Vec<_> =
            explained.findings.iter().map(|one| format!("{}: {}", one.topic, one.text)).collect();
        assert!(told.iter().any(|one| one.starts_with(expected)), "{what}: {told:#?}");
    }
}

/// Without it nobody would see why nothing is replaced in a pool whose breaker is open.
#[tokio::test(flavor = "current_thread")]
async fn an_open_breaker_is_told_with_its_reason() {
    let ledger = fleet();
    accept(
        &ledger,
        Kind::RecordBreaker(RecordBreaker {
            scope: BreakerScope::Pool.into(),
            name: "a".to_owned(),
            open: true,
            reason: "6 of 9".to_owned(),
            ..RecordBreaker::default()
        }),
    );
    let now = LogTime::from_ms(ledger.log_time_ms());
    let explained = explain(&ledger.view().fleet, "a", &Autoscalers::default(), now).unwrap();
    let told = explained.findings.iter().find(|one| one.topic == "breaker").unwrap();
    let expected = "losses and replacements are stopped by the breaker of pool a, 0 s ago: 6 of 9";
    assert_eq!(told.text, expected);
}

/// Without it nobody would see how far a removal is, or what holds it up.
#[tokio::test(flavor = "current_thread")]
async fn a_removal_says_what_it_waits_for() {
    let ledger = fleet();
    accept(&ledger, order("i1"));
    let mut spec = (**ledger.view().fleet.spec().unwrap()).clone();
    spec.pools.clear();
    let spec = Some(spec);
    accept(
        &ledger,
        Kind::ApplyFleetSpec(ApplyFleetSpec { spec, only_if_unset: false, force: true }),
    );
    let explained = || {
        let now = LogTime::from_ms(ledger.log_time_ms());
        explain(&ledger.view().fleet, "a", &Autoscalers::default(), now).unwrap()
    };
    let summary = || explained().summary;
    assert!(explained().findings.iter().any(|one| one.topic == "removal"));
    let left = "size 1, target 0 (within 0 to 3): it is being removed, 1 machines are left: ";
    assert_eq!(summary(), format!("{left}they are drained and given back first"));
    let pool = "a".to_owned();
    accept(&ledger, Kind::PausePool(PausePool { pool, paused: true, ..Default::default() }));
    assert_eq!(summary(), format!("{left}an operator paused it"));
}

/// Without it nobody would see which way a pool may not be scaled yet.
#[test]
fn each_cooldown_is_told_until_when_it_holds() {
    let (now, at) = (LogTime::from_ms(1_000_000), |ms| LogTime::optional(ms));
    for (up, down, expected) in [
        (1_060_000, 1_060_000, vec!["no scaling by load before 1970-01-01T00:17:40Z (in 60 s)"]),
        (
            1_001_000,
            1_060_000,
            vec![
                "no scaling up by load before 1970-01-01T00:16:41Z (in 1 s)",
                "no scaling down by load before 1970-01-01T00:17:40Z (in 60 s)",
            ],
        ),
        (
            1_000_000,
            1_001_000,
            vec!["no scaling down by load before 1970-01-01T00:16:41Z (in 1 s)"],
        ),
        (0, 0, Vec::new()),
    ] {
        let told = cooldowns(Cooldown { up: at(up), down: at(down) }, now);
        let texts: Vec<_> = told.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, expected);
    }
}

/// Without it a person could take the last decision for what the strategy of today would do.
#[tokio::test(flavor = "current_thread")]
async fn a_decision_is_made_again_from_its_inputs() {
    for (cause, expected) in [("steady", true), ("demand", false)] {
        let ledger = fleet();
        accept(&ledger, decision(cause, "because", false));
        let now = LogTime::from_ms(ledger.log_time_ms());
        let explained = explain(&ledger.view().fleet, "a", &Autoscalers::default(), now).unwrap();
        assert_eq!(explained.reproduced, Some(expected), "{cause}");
        assert!(explained.inputs.iter().any(|one| one.topic == "max_nodes" && one.text == "3"));
    }
    let unknown = explain(&fleet().view().fleet, "b", &Autoscalers::default(), LogTime::from_ms(0))
        .unwrap_err();
    assert!(unknown.message().contains("no pool \"b\""), "{unknown:?}");
}

/// Without it a replica whose program lacks the autoscaler that decided would blame the configured strategy for
/// what it never said.
#[tokio::test(flavor = "current_thread")]
async fn a_decision_of_an_own_autoscaler_is_made_again_where_there_is_one() {
    use std::{collections::BTreeMap, sync::Arc};

    use crate::scaling::{Autoscaler, Decision, Needs, PoolView};

    struct Own(&'static str);

    impl Autoscaler for Own {
        fn name(&self) -> &str {
            self.0
        }

        fn needs(&self) -> Needs {
            Needs::default()
        }

        fn decide(&self, view: &PoolView) -> Decision {
            Decision::demand(view, view.target, "as it is")
        }
    }

    let own = |name: &'static str| {
        let autoscaler: Arc<dyn Autoscaler> = Arc::new(Own(name));
        Autoscalers::new(BTreeMap::from([("a".to_owned(), autoscaler)])).unwrap()
    };
    let night = "x-night: as it is: stay at 1";
    for (decided, here, expected, told) in [
        ("because", Autoscalers::default(), Some(true), None),
        (night, own("x-night"), Some(true), Some("x-night, of this program")),
        ("because", own("x-night"), Some(true), Some("the last decision was the configured")),
        (night, own("x-day"), None, Some("this replica's program has x-day for")),
        (night, Autoscalers::default(), None, Some("has no autoscaler of its own for")),
    ] {
        let ledger = fleet();
        accept(&ledger, decision("steady", decided, false));
        let now = LogTime::from_ms(ledger.log_time_ms());
        let explained = explain(&ledger.view().fleet, "a", &here, now).unwrap();
        assert_eq!(explained.reproduced, expected, "{decided} {here:?}");
        let finding = explained.findings.iter().find(|one| one.topic == "autoscaler");
        let text = finding.map(|one| one.text.as_str());
        let fits = match (text, told) {
            (Some(text), Some(told)) => text.contains(told),
            (text, told) => text == told,
        };
        assert!(fits, "{decided} {here:?}: {text:?}");
        let pool = crate::api::operator::get_pool::pool_info(&ledger.view().fleet, "a").unwrap();
        assert_eq!(pool.autoscaler == "x-night", decided == night, "{}", pool.autoscaler);
    }
}
