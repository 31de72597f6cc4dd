//! What holds replacements up: budgets, a pause, and a mass of nodes in trouble.

use super::*;

/// Without it one bad hour would replace a whole pool, or two machines of a small pool would go at once.
#[tokio::test(flavor = "current_thread")]
async fn budgets_bound_what_is_replaced() {
    let world = roomy(20);
    for number in 1..=6 {
        lose(&world, &format!("m-a{number}"));
    }
    assert_eq!(planned(&world), ["order for a1", "order for a2"], "a tenth of 20 an hour");
    assert_eq!(held(&world, "a"), "as many machines as may be in an hour were replaced");
    for old in ["a1", "a2"] {
        come_up(&world, &replacement_of(&world, old));
    }
    world.reconcile(&mut replacer(&world));
    for old in ["a1", "a2"] {
        let instance_id = old.to_owned();
        let given_back = TerminateInstance { instance_id: old.to_owned(), ..Default::default() };
        world.accept(Kind::TerminateInstance(given_back));
        world.accept(Kind::RecordTermination(RecordTermination { instance_id }));
    }
    world.advance(3_599).await;
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["order for a3", "order for a4"]);

    let many = PoolSpec { replace_per_hour_percent: 100, ..pool("a", 20, 40) };
    let world = with_machines(vec![many], 20);
    for number in 1..=6 {
        lose(&world, &format!("m-a{number}"));
    }
    assert_eq!(planned(&world).len(), 4, "a fifth of 20 at once");
    assert_eq!(held(&world, "a"), "as many machines as may be at once are out of service");
}

/// Without it a machine whose node comes and goes would be a purchase each time, hundreds a day.
#[tokio::test(flavor = "current_thread")]
async fn one_that_was_bought_for_nothing_counts_towards_the_hour() {
    let world = roomy(3);
    lose(&world, "m-a1");
    world.reconcile(&mut replacer(&world));
    let new = replacement_of(&world, "a1");
    find(&world, "m-a1").await;
    world.reconcile(&mut replacer(&world));
    let instance_id = new;
    world.accept(Kind::FailInstance(FailInstance {
        instance_id,
        kind: FailureKind::LaunchTimeout.into(),
        ..FailInstance::default()
    }));
    world.advance(1).await;
    lose(&world, "m-a1");
    assert_eq!(planned(&world), [""; 0]);
    assert_eq!(held(&world, "a"), "as many machines as may be in an hour were replaced");
}

/// Without it one crashed job, or one bad rule, would replace a whole pool of machines that are well.
#[tokio::test(flavor = "current_thread")]
async fn a_mass_of_unhealthy_nodes_waits_for_a_person() {
    use navarch_proto::fleet::{BreakerForce, BreakerScope, OverrideBreaker, UncordonNode};

    let world = roomy(10);
    for number in 1..=6 {
        world.report(&format!("m-a{number}"), HEALTHY, UNHEALTHY);
        world.report(&format!("m-a{number}"), HEALTHY, UNKNOWN);
    }
    assert_eq!(planned(&world), [""; 0]);
    assert!(held(&world, "a").contains("uncordon"), "{}", held(&world, "a"));
    let zone = world.fleet().zones().next().expect("the nodes' zone").0.to_string();
    let breakers =
        [(BreakerScope::Fleet, ""), (BreakerScope::Zone, zone.as_str()), (BreakerScope::Pool, "a")];
    let force_all = |force: BreakerForce, duration_ms| {
        for (scope, name) in breakers {
            world.accept(Kind::OverrideBreaker(OverrideBreaker {
                scope: scope.into(),
                name: name.to_owned(),
                force: force.into(),
                duration_ms,
                reason: "a person looks".to_owned(),
                ..OverrideBreaker::default()
            }));
        }
    };
    force_all(BreakerForce::Closed, 60_000);
    assert_eq!(planned(&world), ["order for a1"], "a person has looked; the budget holds");
    force_all(BreakerForce::None, 0);
    let node_id = "m-a6".to_owned();
    world.accept(Kind::UncordonNode(UncordonNode { node_id, ..UncordonNode::default() }));
    assert_eq!(planned(&world), ["order for a1"]);
    assert_eq!(world.events("replacement"), ["replacement-held"]);
}

/// Without it a machine that an operator drained, to look at it or to restart it, would be ended beside the budgets, in a
/// pool that is paused as well.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_of_an_operator_begins_no_replacement() {
    use navarch_proto::fleet::{DrainNode, PausePool};

    let world = running(&["a"]);
    let node_id = "m-a1".to_owned();
    world.accept(Kind::DrainNode(DrainNode { node_id, ..DrainNode::default() }));
    world.reconcile(&mut world.drainer());
    world.accept(Kind::PausePool(PausePool {
        pool: "a".to_owned(),
        paused: true,
        ..PausePool::default()
    }));
    lose(&world, "m-a1");
    assert_eq!(planned(&world), [""; 0]);
    assert_eq!(held(&world, "a"), "an operator paused the pool");
}
