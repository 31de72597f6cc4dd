use navarch_fleet::EventKind;
use navarch_proto::{
    api::HealthStatus,
    fleet::{ClearRuleVerdicts, ForgetNode, RecordVerdict},
};

use super::*;
use crate::controllers::{
    lost_nodes::LostNodes,
    testing::{World, pool},
};

const WINDOW_S: u64 = 600;

/// Standalone nodes `n0`, `n1`, ... of pool `a`, each in the zone that `zone` names.
fn nodes(count: usize, zone: impl Fn(usize) -> String) -> World {
    let world = World::new(vec![pool("a", 0, 9)]);
    for number in 0..count {
        world.register(&format!("n{number}"), &zone(number), Some("a"));
    }
    world
}

fn one_zone(_: usize) -> String {
    "z1".to_owned()
}

/// The two controllers that go by silence, as one leader has them.
struct Leader {
    breaker: Breaker,
    lost: LostNodes,
}

impl Leader {
    fn of(world: &World) -> Self {
        let absences = Absences::default();
        Self {
            breaker: Breaker::new(Arc::clone(&world.liveness), absences.clone()),
            lost: LostNodes::new(Arc::clone(&world.liveness), absences),
        }
    }

    /// Every ten seconds, with a pass a second, the nodes beat whose number is at least `silent`; the losses come
    /// before the breaker's own pass, as they may.
    async fn live(&mut self, world: &World, seconds: u64, silent: usize) {
        for second in 0..seconds {
            if second % 10 == 0 {
                for node in world.fleet().nodes() {
                    let id = node.id.as_str();
                    if id[1..].parse::<usize>().unwrap() >= silent {
                        world.beat(id, 50.0);
                    }
                }
            }
            world.reconcile(&mut self.lost);
            world.reconcile(&mut self.breaker);
            world.advance(1).await;
        }
    }
}

fn lost(world: &World) -> usize {
    world.fleet().nodes().filter(|node| node.is_lost()).count()
}

/// The breakers that are open, as `pool a`.
fn open(world: &World) -> Vec<String> {
    let now = LogTime::from_ms(world.now_ms());
    let fleet = world.fleet();
    let open = fleet.breakers().filter(|(_, breaker)| breaker.is_open(now));
    open.map(|(key, _)| key.to_string()).collect()
}

fn breaker(world: &World, key: &BreakerKey) -> Record {
    (**world.fleet().breaker(key).unwrap()).clone()
}

fn force(world: &World, force: BreakerForce, seconds: u64) {
    world.accept(Kind::OverrideBreaker(OverrideBreaker {
        scope: fleet::BreakerScope::Pool.into(),
        name: "a".to_owned(),
        force: force.into(),
        duration_ms: seconds * 1_000,
        reason: "a test".to_owned(),
        breaker_revision: 0,
    }));
}

/// A verdict of the rule `bad`.
fn unhealthy(world: &World, node_id: &str) {
    world.accept(Kind::RecordVerdict(RecordVerdict {
        node_id: node_id.to_owned(),
        verdict: HealthStatus::Unhealthy.into(),
        events: HealthStatus::Unhealthy.into(),
        rule: "bad".to_owned(),
        policy_revision: world.fleet().policy_revision(),
        node_incarnation: world.node(node_id).incarnation,
        ..RecordVerdict::default()
    }));
}

/// Without it a network that is down would cost whole pools, before or after the breaker is recorded; or a breaker
/// would flap, and its closing bring a flood of losses.
#[tokio::test(flavor = "current_thread")]
async fn a_mass_of_silence_opens_and_a_window_of_calm_closes() {
    // Zone z0 has n0 to n6, z1 the rest: 6 of 10 are a mass of the pool and of z0.
    let world = nodes(10, |number| if number < 7 { "z0".to_owned() } else { "z1".to_owned() });
    let mut leader = Leader::of(&world);
    leader.live(&world, 100, 0).await;
    assert!(open(&world).is_empty() && !leader.breaker.troubled, "a well fleet is not walked");
    leader.live(&world, 300, 6).await;
    assert_eq!(open(&world), ["pool a", "zone cloud//z0"]);
    let opening = breaker(&world, &BreakerKey::pool("a")).opening.unwrap();
    assert_eq!((opening.counts.silent, opening.counts.size), (6, 10));
    assert!(opening.reason.contains("6 silent and 0 newly unhealthy of 10 nodes, more than 55 %"));
    // 3 of 10 are no calm, and not few enough for the zone either; 2 of 10 and 2 of 7 are.
    leader.live(&world, 2 * WINDOW_S, 3).await;
    assert_eq!((open(&world).len(), lost(&world)), (2, 0));
    leader.live(&world, WINDOW_S - 20, 2).await;
    assert_eq!((open(&world).len(), lost(&world)), (2, 0), "the window is not over");
    leader.live(&world, 30, 2).await;
    assert!(open(&world).is_empty());
    assert_eq!(lost(&world), 0, "silence counts from the closing");
    leader.live(&world, 31, 2).await;
    assert_eq!(lost(&world), 1, "one time-out later, and a tenth of the pool a minute");
    leader.live(&world, 60, 2).await;
    assert_eq!((lost(&world), open(&world).len()), (2, 0));
    let kinds = world.events("breaker");
    let [opened, closed] =
        [EventKind::BreakerOpened, EventKind::BreakerClosed].map(EventKind::as_str);
    assert_eq!(kinds, [opened, opened, closed, closed]);
}

/// Without it each change of leader would close the breaker, since a new leader has heard nobody's silence, or begin the
/// calm anew.
#[tokio::test(flavor = "current_thread")]
async fn a_change_of_leader_changes_no_breaker() {
    let mut world = nodes(10, one_zone);
    Leader::of(&world).live(&world, 60, 6).await;
    assert_eq!(open(&world).len(), 3, "the pool, its zone, and every zone");
    for _ in 0..30 {
        world.new_session();
        Leader::of(&world).live(&world, 28, 6).await;
        assert_eq!((open(&world).len(), lost(&world)), (3, 0));
        let calm = breaker(&world, &BreakerKey::pool("a")).opening.unwrap().calm_since;
        assert_eq!(calm, None, "silence that nobody can see yet is no calm");
    }
    Leader::of(&world).live(&world, 300, 0).await;
    let calm = breaker(&world, &BreakerKey::pool("a")).opening.unwrap().calm_since;
    world.new_session();
    Leader::of(&world).live(&world, 200, 0).await;
    assert_eq!(open(&world).len(), 3);
    assert_eq!(breaker(&world, &BreakerKey::pool("a")).opening.unwrap().calm_since, calm);
    Leader::of(&world).live(&world, 120, 0).await;
    assert!(open(&world).is_empty());
    assert_eq!(lost(&world), 0);
}

/// Without it the silence of every zone, which is surely our own, would be told zone by zone only.
#[tokio::test(flavor = "current_thread")]
async fn all_zones_silent_stops_everywhere() {
    let world = nodes(12, |number| format!("z{}", number % 2));
    world.register("n99", "z0", None);
    let mut leader = Leader::of(&world);
    leader.live(&world, 120, 8).await;
    let expected = ["the fleet", "pool a", "zone cloud//z0", "zone cloud//z1"];
    assert_eq!((open(&world), lost(&world)), (expected.map(str::to_owned).to_vec(), 0));
    // One zone is well again: that is not everywhere, and the other's breaker stays.
    for second in 0..=WINDOW_S + 10 {
        if second % 10 == 0 {
            for number in [1, 3, 5, 7, 9, 11, 99] {
                world.beat(&format!("n{number}"), 50.0);
            }
        }
        world.reconcile(&mut leader.breaker);
        world.advance(1).await;
    }
    assert_eq!(open(&world), ["pool a", "zone cloud//z0"]);
}

/// Without it one bad rule would have whole pools replaced, or the breaker would close by itself while its verdicts
/// stand.
#[tokio::test(flavor = "current_thread")]
async fn newly_unhealthy_nodes_count_and_wait_for_an_operator() {
    let world = nodes(10, one_zone);
    let mut leader = Leader::of(&world);
    leader.live(&world, 30, 0).await;
    for number in 0..5 {
        let id = format!("n{number}");
        unhealthy(&world, &id);
    }
    leader.live(&world, 30, 0).await;
    assert!(open(&world).is_empty(), "5 of 10 are no mass");
    unhealthy(&world, "n5");
    leader.live(&world, 2, 0).await;
    assert_eq!(open(&world), ["the fleet", "pool a", "zone cloud//z1"]);
    leader.live(&world, 3 * WINDOW_S, 0).await;
    assert_eq!(open(&world).len(), 3, "their verdicts stand");
    world.accept(Kind::ClearRuleVerdicts(ClearRuleVerdicts {
        rule: "bad".to_owned(),
        pool: String::new(),
        reason: "it was wrong".to_owned(),
    }));
    leader.live(&world, WINDOW_S + 10, 0).await;
    assert!(open(&world).is_empty());
}

/// Without it nodes that turned unhealthy one by one over days would open a breaker.
#[tokio::test(flavor = "current_thread")]
async fn old_verdicts_open_nothing() {
    let world = nodes(10, one_zone);
    let mut leader = Leader::of(&world);
    for number in 0..8 {
        let id = format!("n{number}");
        unhealthy(&world, &id);
        leader.live(&world, WINDOW_S / 4, 0).await;
        assert!(open(&world).is_empty());
    }
}

/// Without it an operator's word would be forgotten by the next pass, or be the last one for ever.
#[tokio::test(flavor = "current_thread")]
async fn an_override_decides_for_its_time() {
    let zone = |number| format!("z{}", number % 5);
    let world = nodes(10, zone);
    let mut leader = Leader::of(&world);
    // Nodes n0 to n5: no zone but z0 is silent with both of its nodes, and two are few.
    leader.live(&world, 60, 6).await;
    assert_eq!(open(&world), ["pool a"]);
    force(&world, BreakerForce::Closed, 200);
    leader.live(&world, 29, 6).await;
    assert_eq!(lost(&world), 0, "silence counts from the override");
    leader.live(&world, 165, 6).await;
    assert_eq!(lost(&world), 3, "a tenth of the pool a minute");
    leader.live(&world, 60, 6).await;
    assert_eq!((open(&world), lost(&world)), (vec!["pool a".to_owned()], 3), "its time is over");
    assert_eq!(world.events("breaker-reset").len(), 1);
    force(&world, BreakerForce::Closed, 100);
    world.accept(Kind::OverrideBreaker(OverrideBreaker {
        scope: fleet::BreakerScope::Pool.into(),
        name: "a".to_owned(),
        reason: "no, wait".to_owned(),
        ..OverrideBreaker::default()
    }));
    leader.live(&world, 60, 6).await;
    assert_eq!((open(&world).len(), lost(&world)), (1, 3));
}

/// Without it an operator could not keep a pool from losing anybody during a planned outage.
#[tokio::test(flavor = "current_thread")]
async fn a_forced_opening_stops_even_one_loss() {
    let world = nodes(10, one_zone);
    let mut leader = Leader::of(&world);
    force(&world, BreakerForce::Open, 300);
    leader.live(&world, 299, 1).await;
    assert_eq!(lost(&world), 0);
    leader.live(&world, 29, 1).await;
    assert_eq!(lost(&world), 0, "silence counts from the end of the override");
    leader.live(&world, 5, 1).await;
    assert_eq!(lost(&world), 1);
}

/// Without it a provider that lists half of our machines would have the others' nodes lost as if only their networks
/// were down.
#[tokio::test(flavor = "current_thread")]
async fn machines_that_a_listing_lacks_count_as_silent() {
    let world = World::new(vec![pool("a", 0, 9)]);
    for number in 0..6 {
        world.running(&format!("i{number}"), "a");
    }
    let absences = Absences::default();
    let mut controller = Breaker::new(Arc::clone(&world.liveness), absences.clone());
    let beat = || (0..6).for_each(|number| world.beat(&format!("m-i{number}"), 50.0));
    beat();
    absences.listed("cloud", (0..3).map(|number| format!("i{number}")));
    world.reconcile(&mut controller);
    assert!(open(&world).is_empty(), "3 of 6 are no mass");
    absences.listed("cloud", (0..4).map(|number| format!("i{number}")));
    world.reconcile(&mut controller);
    assert_eq!(open(&world), ["the fleet", "pool a", "zone cloud//z1"]);
    absences.retain(|_| false);
    world.reconcile(&mut controller);
    assert_eq!(open(&world).len(), 3);
    world.advance(WINDOW_S + 1).await;
    beat();
    world.reconcile(&mut controller);
    world.advance(WINDOW_S + 1).await;
    beat();
    world.reconcile(&mut controller);
    assert!(open(&world).is_empty());
}

/// Without it the breaker of a zone that has no nodes any more would stay open for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_group_without_nodes_is_calm() {
    let world = nodes(8, |number| if number < 4 { "z0".to_owned() } else { "z1".to_owned() });
    let mut leader = Leader::of(&world);
    leader.live(&world, 60, 4).await;
    assert_eq!(open(&world), ["zone cloud//z0"]);
    for number in 0..4 {
        world.accept(Kind::ForgetNode(ForgetNode { node_id: format!("n{number}") }));
    }
    leader.live(&world, WINDOW_S + 10, 4).await;
    assert!(open(&world).is_empty());
}
