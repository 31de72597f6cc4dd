use std::{collections::BTreeMap, collections::HashMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::provider::{Machine, MachineState, OrderSpec, labels};

fn options() -> CloudOptions {
    CloudOptions {
        boot_delay: Duration::from_millis(100),
        shutdown_delay: Duration::from_millis(50),
        ..CloudOptions::default()
    }
}

fn body(pool: &str, instance_type: &str) -> Vec<u8> {
    let spec = OrderSpec {
        instance_type: instance_type.into(),
        labels: BTreeMap::from([(labels::POOL.into(), pool.into())]),
        ..OrderSpec::default()
    };
    spec.request_body().to_vec()
}

fn all() -> Filter {
    Filter { limit: 1_000, ..Filter::default() }
}

/// Without it a machine would come up or go away at another time than the options say.
#[test]
fn a_machine_lives_by_the_clock() {
    let mut cloud = SimulatedCloud::new(options());
    let id = cloud.order("k", &body("p", "l4-1x"), 1_000).unwrap().machine.id;
    let state = |cloud: &SimulatedCloud, at| cloud.get(&id, at).map(|machine| machine.state);
    assert_eq!(state(&cloud, 999), None);
    assert_eq!(state(&cloud, 1_000), Some(MachineState::Provisioning));
    assert_eq!(cloud.get(&id, 1_099).unwrap().ip, None);
    assert_eq!(state(&cloud, 1_100), Some(MachineState::Running));
    assert!(cloud.get(&id, 1_100).unwrap().ip.is_some());
    assert!(matches!(cloud.terminate(&id, 2_000), Terminated::Now(_)));
    assert_eq!(state(&cloud, 1_999), Some(MachineState::Running));
    assert_eq!(state(&cloud, 2_049), Some(MachineState::Terminating));
    assert_eq!(state(&cloud, 2_050), Some(MachineState::Terminated));
    assert_eq!(cloud.get(&id, 2_050).unwrap().terminated_at_ms, Some(2_050));
    assert!(matches!(cloud.terminate(&id, 3_000), Terminated::Before(_)));
    assert_eq!(cloud.list(&all(), 3_000).machines.len(), 1);
    assert_eq!(cloud.list(&all(), 5_000_000).machines.len(), 0);
}

/// Without it the same key would buy again once its machine is dead.
#[test]
fn a_key_answers_its_machine_for_ever() {
    let mut cloud = SimulatedCloud::new(options());
    let first = cloud.order("k", &body("p", "l4-1x"), 0).unwrap().machine;
    cloud.terminate(&first.id, 10);
    let again = cloud.order("k", &body("p", "l4-1x"), 10_000).unwrap();
    assert!(!again.created);
    assert_eq!(again.machine.id, first.id);
    assert_eq!(again.machine.state, MachineState::Terminated);
    for other in [body("p", "a10-1x"), b"{".to_vec()] {
        assert!(matches!(cloud.order("k", &other, 0), Err(Refusal::Mismatch(_))));
    }
    // Other white space is the same order.
    let spaced = String::from_utf8(body("p", "l4-1x")).unwrap().replace(':', " : ");
    assert!(!cloud.order("k", spaced.as_bytes(), 0).unwrap().created);
}

/// Without it a machine that vanished would still be found, or its key would buy a second one.
#[test]
fn a_vanished_machine_is_known_to_its_key_alone() {
    let mut cloud = SimulatedCloud::new(options());
    let id = cloud.order("k", &body("p", "l4-1x"), 0).unwrap().machine.id;
    assert!(matches!(cloud.vanish(&id, 500), Terminated::Now(_)));
    assert_eq!(cloud.get(&id, 500), None);
    assert!(cloud.get(&id, 499).is_some());
    assert_eq!(cloud.list(&all(), 500).machines, []);
    assert_eq!(cloud.terminate(&id, 600), Terminated::Unknown);
    let again = cloud.order("k", &body("p", "l4-1x"), 700).unwrap();
    assert_eq!((again.created, again.machine.state), (false, MachineState::Terminated));
}

/// Without it a cloud could rent out more than it has, or buy what makes no sense.
#[test]
fn what_cannot_be_had_is_refused() {
    let mut cloud = SimulatedCloud::new(CloudOptions {
        capacity: BTreeMap::from([("l4-1x".into(), 1)]),
        quota: 2,
        ..options()
    });
    let first = cloud.order("a", &body("p", "l4-1x"), 0).unwrap().machine;
    let refused = cloud.order("b", &body("p", "l4-1x"), 0).unwrap_err();
    assert!(matches!(refused, Refusal::NoCapacity { .. }), "{refused}");
    cloud.order("c", &body("p", "gpu_8x_h100"), 0).unwrap();
    let refused = cloud.order("d", &body("p", "a10-1x"), 0).unwrap_err();
    assert_eq!(refused, Refusal::Quota(2));
    cloud.terminate(&first.id, 1);
    assert!(cloud.order("b", &body("p", "l4-1x"), 2).unwrap().created);
    for (key, body) in [
        ("", body("p", "l4-1x")),
        (&*"k".repeat(257), body("p", "l4-1x")),
        ("e", body("p", "")),
        ("e", b"[]".to_vec()),
        ("e", b"\xff".to_vec()),
        ("e", br#"{"instance_type":"l4-1x","labels":3}"#.to_vec()),
    ] {
        assert!(matches!(cloud.order(key, &body, 0), Err(Refusal::Invalid(_))), "{key}");
    }
}

/// Without it a page could repeat or lose a machine.
#[test]
fn pages_join_to_the_whole_listing() {
    let mut cloud = SimulatedCloud::new(options());
    for number in 0..25 {
        let pool = if number % 2 == 0 { "even" } else { "odd" };
        cloud.order(&format!("k{number}"), &body(pool, "l4-1x"), 0).unwrap();
    }
    let mut filter =
        Filter { labels: vec![(labels::POOL.into(), "even".into())], limit: 4, after: None };
    let mut seen = Vec::new();
    loop {
        let page = cloud.list(&filter, 0);
        seen.extend(page.machines.into_iter().map(|machine| machine.id));
        match page.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    let whole = Filter { after: None, limit: 100, ..filter };
    let whole: Vec<String> =
        cloud.list(&whole, 0).machines.into_iter().map(|machine| machine.id).collect();
    assert_eq!(seen.len(), 13);
    assert_eq!(seen, whole);
}

#[derive(Clone, Debug)]
enum Step {
    Order { key: u8, pool: u8 },
    Terminate { key: u8 },
    Vanish { key: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..6, 0_u8..2).prop_map(|(key, pool)| Step::Order { key, pool }),
        1 => (0_u8..6).prop_map(|key| Step::Terminate { key }),
        1 => (0_u8..6).prop_map(|key| Step::Vanish { key }),
    ]
}

proptest! {
    /// Without it some order of requests could buy twice under one key, or the live count could drift from
    /// the machines, and the ledger built on it would prove nothing.
    #[test]
    fn one_machine_a_key_and_counts_that_agree(steps in proptest::collection::vec(step(), 1..60)) {
        let mut cloud = SimulatedCloud::new(options());
        let mut bought: HashMap<u8, Machine> = HashMap::new();
        for (now_ms, step) in (0_u64..).step_by(40).zip(steps) {
            match step {
                Step::Order { key, pool } => {
                    let order = cloud.order(
                        &key.to_string(),
                        &body(&pool.to_string(), "l4-1x"),
                        now_ms,
                    );
                    match (order, bought.get(&key)) {
                        (Ok(ordered), Some(before)) => {
                            prop_assert!(!ordered.created);
                            prop_assert_eq!(&ordered.machine.id, &before.id);
                        }
                        (Ok(ordered), None) => {
                            prop_assert!(ordered.created);
                            bought.insert(key, ordered.machine);
                        }
                        (Err(refusal), before) => {
                            prop_assert!(before.is_some(), "{}", refusal);
                        }
                    }
                }
                Step::Terminate { key } => {
                    if let Some(machine) = bought.get(&key) {
                        cloud.terminate(&machine.id, now_ms);
                    }
                }
                Step::Vanish { key } => {
                    if let Some(machine) = bought.get(&key) {
                        cloud.vanish(&machine.id, now_ms);
                    }
                }
            }
            let mut counted: BTreeMap<String, u32> = BTreeMap::new();
            for machine in cloud.live(now_ms) {
                prop_assert!(machine.state.is_live());
                *counted.entry(machine.labels[labels::POOL].clone()).or_default() += 1;
            }
            prop_assert_eq!(&counted, cloud.live_by_pool());
        }
    }
}
