use navarch_cluster::ReplicaId;
use navarch_proto::fleet::{HoldPool, ScalePool};

use super::*;
use crate::{
    controllers::testing::{Call, OrderAnswer, World, pool, pool_provider, spec},
    ledger::LocalFault,
};

fn ambiguous() -> OrderAnswer {
    OrderAnswer::Refused(ProviderError::Ambiguous("reset".to_owned()))
}

fn orders(calls: Vec<Call>) -> Vec<Order> {
    let order = |call| match call {
        Call::Order(order) => order,
        other => panic!("{other:?}"),
    };
    calls.into_iter().map(order).collect()
}

fn states(world: &World) -> Vec<String> {
    world.states("a").into_iter().map(|(_, state)| state).collect()
}

/// Without it a pool would not come up, or a pass that follows would buy it twice.
#[tokio::test(flavor = "current_thread")]
async fn a_pool_is_bought_once() {
    let world = World::new(vec![pool("a", 3, 5)]);
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    let report = world.reconcile(&mut provisioner);
    assert_eq!((report.steps, report.failed), (6, 0), "3 orders and 3 purchases");
    assert_eq!(states(&world), ["pending_registration"; 3]);
    assert_eq!(world.cloud().take_calls().len(), 3);
    assert_eq!(world.reconcile(&mut provisioner), Report::default());
    assert!(world.cloud().take_calls().is_empty());
}

/// Without it an order whose answer was lost would be bought a second time under another key.
#[tokio::test(flavor = "current_thread")]
async fn an_ambiguous_order_is_asked_again_as_it_was() {
    let world = World::new(vec![pool("a", 1, 5)]);
    world.cloud().answer_orders((0..9).map(|_| ambiguous()));
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    let mut asked_s = Vec::new();
    let mut asked = Vec::new();
    for second in 0..400 {
        world.reconcile(&mut provisioner);
        for order in orders(world.cloud().take_calls()) {
            asked_s.push(second);
            asked.push(order);
        }
        world.advance(1).await;
        assert_eq!(world.fleet().instance_count(), 1, "it keeps its slot, nothing in its place");
    }
    assert_eq!(asked.len(), 10);
    assert!(asked.iter().all(|order| *order == asked[0]), "same key, same bytes");
    assert!(!asked[0].request_body.is_empty());
    assert_eq!(states(&world), ["pending_registration"]);
    // 1, 2, 4, 8, 16, 32, 60, 60, 60 s, with up to a quarter of jitter, seen once a second.
    let pauses: Vec<i32> = asked_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, nominal) in pauses.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
        assert!((nominal..=nominal * 5 / 4 + 1).contains(pause), "{pauses:?}");
    }
}

/// Without it a new leader would buy again what its predecessor had asked for.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_asks_the_same_order_again() {
    let mut world = World::new(vec![pool("a", 1, 5)]);
    world.cloud().answer_orders([ambiguous()]);
    world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
    let first = orders(world.cloud().take_calls());
    world.new_session();
    world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
    assert_eq!(orders(world.cloud().take_calls()), first);
    assert_eq!(states(&world), ["pending_registration"]);
}

/// Without it a refused order would block its pool, or be asked again although its answer was final.
#[tokio::test(flavor = "current_thread")]
async fn a_final_refusal_fails_the_order_and_a_later_one_has_a_new_id() {
    let errors = [ProviderError::Capacity, ProviderError::Quota, ProviderError::Invalid];
    for error in errors {
        let world = World::new(vec![pool("a", 1, 5)]);
        world.cloud().answer_orders([OrderAnswer::Refused(error("no".to_owned()))]);
        let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
        for second in 0..30 {
            world.reconcile(&mut provisioner);
            assert_eq!(states(&world), ["failed"], "{second} s");
            world.advance(1).await;
        }
        assert_eq!(world.events("pool-"), ["pool-created", "pool-held"], "noted once");
        world.reconcile(&mut provisioner);
        let asked = orders(world.cloud().take_calls());
        assert_eq!(asked.len(), 2);
        assert_ne!(asked[0].instance_id, asked[1].instance_id);
        assert_eq!(world.fleet().pool_counts("a").size(), 1);
        world.reconcile(&mut provisioner);
        assert_eq!(world.events("pool-"), ["pool-created", "pool-held", "pool-released"]);
    }
}

/// Without it a provider that asks for patience would be asked every second, and ban us.
#[tokio::test(flavor = "current_thread")]
async fn a_rate_limit_is_obeyed() {
    let world = World::new(vec![pool("a", 1, 5)]);
    let retry_after = Duration::from_secs(20);
    let limited = ProviderError::RateLimited { message: "slow".to_owned(), retry_after };
    world.cloud().answer_orders([OrderAnswer::Refused(limited)]);
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    for _ in 0..20 {
        world.reconcile(&mut provisioner);
        world.advance(1).await;
    }
    assert_eq!(world.cloud().take_calls().len(), 1);
    world.advance(6).await;
    world.reconcile(&mut provisioner);
    assert_eq!(world.cloud().take_calls().len(), 1);
}

/// Without it a machine that ended before we heard of it would count as running for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_dead_machine_under_a_key_is_bought_and_over() {
    let table = [
        (MachineState::Terminated, "failed", 0),
        (MachineState::Terminating, "terminating", 1),
        (MachineState::Running, "pending_registration", 1),
    ];
    for (state, expected, occupancy) in table {
        let world = World::new(vec![pool("a", 1, 5)]);
        world.cloud().answer_orders([OrderAnswer::Sold(state)]);
        let report = world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
        assert_eq!((states(&world), report.failed), (vec![expected.to_owned()], 0), "{state}");
        assert_eq!(world.fleet().pool_counts("a").occupancy(), occupancy, "{state}");
    }
}

/// Without it an order that is in doubt would be decided on again, and bought twice.
#[tokio::test(flavor = "current_thread")]
async fn an_order_in_doubt_stops_the_pass() {
    let mut spec = spec(vec![pool("a", 100, 200)]);
    for provider in &mut spec.providers {
        (provider.max_calls_per_second, provider.max_concurrent_calls) = (1_000, 1_000);
    }
    let world = World::with_spec(spec);
    world.group.group.fault([LocalFault::DropAnswer]);
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    world.reconcile(&mut provisioner);
    assert_eq!(world.fleet().instance_count(), 64, "as many as are proposed at once");
    world.reconcile(&mut provisioner);
    assert_eq!(states(&world).len(), 100, "and none twice");
}

/// Without it a cloud without idempotency keys would sell a second machine for an order whose answer was lost, by this
/// leader or by the next.
#[tokio::test(flavor = "current_thread")]
async fn a_cloud_that_forgets_orders_is_asked_once() {
    let mut world = World::new(vec![pool("a", 2, 5)]);
    world.cloud().forget_orders();
    let busy = ProviderError::RateLimited {
        message: "later".to_owned(),
        retry_after: Duration::from_secs(1),
    };
    world.cloud().answer_orders([ambiguous(), OrderAnswer::Refused(busy)]);
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    world.advance(1).await;
    for _ in 0..60 {
        world.reconcile(&mut provisioner);
        world.advance(1).await;
    }
    assert_eq!(orders(world.cloud().take_calls()).len(), 3, "what had no effect is asked again");
    assert_eq!(states(&world), ["provisioning", "pending_registration"]);
    world.new_session();
    world.advance(60).await;
    world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
    assert!(world.cloud().take_calls().is_empty(), "nobody knows what the last leader asked");
}

/// Without it a leader that was cut off would buy for a fleet that another one leads.
#[tokio::test(flavor = "current_thread")]
async fn nothing_is_bought_in_doubt_of_leading() {
    let world = World::new(vec![pool("a", 1, 5)]);
    world.order("i1", "a");
    world.group.group.cut_off(ReplicaId(1));
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    let report = world.reconcile(&mut provisioner);
    assert_eq!((report.failed, world.cloud().take_calls()), (1, vec![]));
    world.group.group.reconnect(ReplicaId(1));
    world.advance(7).await;
    world.reconcile(&mut provisioner);
    assert_eq!(states(&world), ["pending_registration"]);
}

/// Without it one cloud that hangs would keep pools of the others from being bought.
#[tokio::test(flavor = "current_thread")]
async fn a_cloud_that_hangs_holds_up_nobody_else() {
    let mut other = pool("b", 1, 40);
    other.providers = vec![crate::controllers::testing::pool_provider("other")];
    let world = World::new(vec![pool("a", 40, 40), other]);
    let late = Duration::from_secs(60);
    world.cloud().answer_orders((0..40).map(|_| OrderAnswer::Late(late)));
    let provisioner = Provisioner::new(Arc::clone(&world.providers));
    let tenure = world.tenure(NAME);
    let running = tokio::spawn(async move {
        let mut provisioner = provisioner;
        for _ in 0..12 {
            provisioner.reconcile(&tenure).await;
        }
        provisioner.reconcile(&tenure).await
    });
    world.advance(1).await;
    assert_eq!(world.cloud().take_calls().len(), 32, "one provider's share");
    assert_eq!(world.fleet().pool_counts("b").pending_registration, 1);
    let target = 3;
    let scale = ScalePool { pool: "b".to_owned(), target, hold_until_ms: 0 };
    world.accept(Kind::ScalePool(scale));
    world.advance(5).await;
    assert_eq!(world.fleet().pool_counts("b").pending_registration, 3);
    world.advance(55).await;
    assert_eq!(world.fleet().pool_counts("a").pending_registration, 32);
    running.abort();
}

/// Without it a provider that gives two orders one machine would be asked as fast as it answers.
#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_cannot_be_recorded_is_not_asked_for_at_once() {
    let world = World::new(vec![pool("a", 1, 5)]);
    world.order("i1", "a");
    world.group.group.fault([LocalFault::Refuse]);
    let mut provisioner = Provisioner::new(Arc::clone(&world.providers));
    assert_eq!(world.reconcile(&mut provisioner).failed, 1);
    world.reconcile(&mut provisioner);
    assert_eq!(world.cloud().take_calls().len(), 1);
    world.advance(2).await;
    world.reconcile(&mut provisioner);
    assert_eq!(states(&world), ["pending_registration"]);
}

/// Without it an idle leader would look every second at what does not change, or a hold would be lifted late.
#[tokio::test(flavor = "current_thread")]
async fn it_looks_often_while_something_waits() {
    let world = World::new(vec![pool("a", 0, 5)]);
    let provisioner = Provisioner::new(Arc::clone(&world.providers));
    let period = || provisioner.period(&world.fleet(), world.now_ms());
    assert_eq!(period(), IDLE_PERIOD);
    world.order("i1", "a");
    assert_eq!(period(), BUSY_PERIOD);
    let hold = HoldPool { pool: "a".to_owned(), reason: "sold out".to_owned() };
    world.accept(Kind::HoldPool(hold));
    world.accept(Kind::RecordPurchase(RecordPurchase {
        instance_id: "i1".to_owned(),
        provider_ref: "m-i1".to_owned(),
        ..RecordPurchase::default()
    }));
    assert_eq!(period(), IDLE_PERIOD);
    let scale = ScalePool { pool: "a".to_owned(), target: 2, hold_until_ms: 0 };
    world.accept(Kind::ScalePool(scale));
    assert_eq!(period(), BUSY_PERIOD);
}

/// Without it `strategy: cost` and `availability` would be the order of the file under another name.
#[tokio::test(flavor = "current_thread")]
async fn prices_and_availability_choose_the_provider() {
    // What `cloud` and `other` offer, and who is asked.
    let table = [
        ("cost", (3.0, true), (2.0, true), "other"),
        ("cost", (2.0, true), (3.0, true), "cloud"),
        ("cost", (0.0, true), (9.0, true), "other"),
        ("availability", (1.0, false), (9.0, true), "other"),
        ("availability", (1.0, true), (9.0, true), "cloud"),
        ("priority", (3.0, false), (2.0, true), "cloud"),
    ];
    for (strategy, cloud, other, expected) in table {
        let mut pool = pool("a", 1, 3);
        pool.strategy = strategy.to_owned();
        pool.providers = ["cloud", "other"].map(pool_provider).to_vec();
        let world = World::new(vec![pool]);
        world.clouds["cloud"].offer(cloud.0, cloud.1);
        world.clouds["other"].offer(other.0, other.1);
        world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
        let fleet = world.fleet();
        let ordered: Vec<_> = fleet.instances().map(|one| one.provider.to_string()).collect();
        assert_eq!(ordered, [expected], "{strategy}");
    }
}

/// Without it an order whose machine has a price that is none would stay open for ever, and the machine be paid for.
#[test]
fn what_is_no_price_is_not_known() {
    let table = [(2.5, 2.5), (0.0, 0.0), (-1.0, 0.0), (f64::NAN, 0.0), (f64::INFINITY, 0.0)];
    for (told, known) in table {
        assert!((known_price(told) - known).abs() < f64::EPSILON, "{told}");
    }
}
