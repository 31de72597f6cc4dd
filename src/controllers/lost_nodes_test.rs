use navarch_proto::fleet::{ClearLost, Settings, TerminateInstance};

use super::*;
use crate::controllers::{
    digest::Digest,
    testing::{World, pool, settings, spec},
};

/// Standalone nodes `n0`, `n1`, ... of one pool, each in the zone that `zone` names.
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

/// Every ten seconds, with a pass a second: the nodes that `beats` names beat. What is lost at the end, and the
/// second at which each was declared.
async fn live(
    world: &World,
    controller: &mut LostNodes,
    seconds: u64,
    beats: impl Fn(&str) -> bool,
) -> Vec<(String, u64)> {
    let mut lost: Vec<(String, u64)> = Vec::new();
    for second in 0..=seconds {
        let fleet = world.fleet();
        if second % 10 == 0 {
            for node in fleet.nodes().filter(|node| beats(node.id.as_str())) {
                world.beat(node.id.as_str(), 50.0);
            }
        }
        world.reconcile(controller);
        for node in world.fleet().nodes().filter(|node| node.is_lost()) {
            let id = node.id.to_string();
            if !lost.iter().any(|(known, _)| *known == id) {
                lost.push((id, second));
            }
        }
        world.advance(1).await;
    }
    lost
}

fn seconds(lost: &[(String, u64)]) -> Vec<u64> {
    lost.iter().map(|&(_, second)| second).collect()
}

fn controller(world: &World) -> LostNodes {
    LostNodes::new(Arc::clone(&world.liveness), Absences::default())
}

/// Without it a dead machine would go unnoticed, or a live one be taken for dead.
#[tokio::test(flavor = "current_thread")]
async fn a_silent_node_is_lost_at_its_time_out() {
    let world = nodes(4, one_zone);
    world.advance(100).await;
    world.beat("n1", 50.0);
    let lost = live(&world, &mut controller(&world), 60, |id| id != "n1").await;
    assert_eq!(lost, [("n1".to_owned(), 30)]);
    assert!(world.node("n1").status() == navarch_proto::api::NodeStatus::Unhealthy);
}

/// Without it a node whose agent died right after registering would never be noticed, as in the original.
#[tokio::test(flavor = "current_thread")]
async fn a_node_that_never_beat_is_lost_one_time_out_after_its_registration() {
    let world = nodes(4, one_zone);
    let mut controller = controller(&world);
    live(&world, &mut controller, 99, |_| true).await;
    world.register("late", "z1", Some("a"));
    let lost = live(&world, &mut controller, 60, |id| id != "late").await;
    assert_eq!(lost, [("late".to_owned(), 30)]);
}

/// Without it a change of leader would declare nodes lost early.
#[tokio::test(flavor = "current_thread")]
async fn a_new_session_waits_one_time_out() {
    let mut world = nodes(4, one_zone);
    let lost = live(&world, &mut controller(&world), 28, |_| false).await;
    assert!(lost.is_empty());
    world.new_session();
    let lost = live(&world, &mut controller(&world), 40, |id| id != "n1").await;
    assert_eq!(lost, [("n1".to_owned(), 30)]);
}

/// Without it a node that was told to beat slowly would be lost for obeying, by the same leader or the next.
#[tokio::test(flavor = "current_thread")]
async fn the_interval_that_a_node_was_told_counts() {
    let mut whole = spec(vec![pool("a", 0, 9)]);
    // One beat a second for all of forty: each beats every 40 s, and may be silent for 120 s.
    let few = Settings { max_heartbeats_per_second: 1, ..settings() };
    whole.settings = Some(few);
    let mut world = World::with_spec(whole);
    for number in 0..40 {
        world.register(&format!("n{number}"), "z1", Some("a"));
    }
    let number = world.number("n1");
    world.liveness.beat(number, world.now_ms(), None, 40_000);
    let lost = live(&world, &mut controller(&world), 130, |id| id != "n1").await;
    assert_eq!(lost, [("n1".to_owned(), 120)]);
    world.accept(Kind::ClearLost(ClearLost { node_id: "n1".to_owned(), seen_ms: world.now_ms() }));
    world.new_session();
    let lost = live(&world, &mut controller(&world), 130, |id| id != "n1").await;
    assert_eq!(lost, [("n1".to_owned(), 120)]);
}

/// Without it a network that is down, or a leader that hears nobody, would cost whole pools.
#[tokio::test(flavor = "current_thread")]
async fn a_mass_of_silence_loses_nobody() {
    let table = [
        ("all of a fleet", 3, 3, 0),
        ("6 of 10", 10, 6, 0),
        ("5 of 10", 10, 5, 5),
        ("3 of 5", 5, 3, 0),
        ("2 of 3: few", 3, 2, 2),
    ];
    for (what, count, silent, expected) in table {
        let world = nodes(count, one_zone);
        let beats = |id: &str| id[1..].parse::<usize>().unwrap() >= silent;
        let lost = live(&world, &mut controller(&world), 400, beats).await;
        assert_eq!(lost.len(), expected, "{what}");
    }
}

/// Without it the loss of one zone's network would cost that zone's part of every pool.
#[tokio::test(flavor = "current_thread")]
async fn a_silent_zone_loses_nobody_and_stops_nobody_else() {
    // Zone z0 has n0 to n4, z1 the rest: 5 of 15 is no mass of the pool, but z0 is silent.
    let zone = |number| if number < 5 { "z0".to_owned() } else { "z1".to_owned() };
    let world = nodes(15, zone);
    let beats = |id: &str| id[1..].parse::<usize>().unwrap() >= 5 && id != "n7";
    let lost = live(&world, &mut controller(&world), 400, beats).await;
    assert_eq!(lost, [("n7".to_owned(), 30)]);
}

/// Without it time-outs that come one after the other would slip under the breaker.
#[tokio::test(flavor = "current_thread")]
async fn at_most_a_tenth_of_a_pool_a_minute() {
    for (count, silent, expected) in [(9, 3, vec![30, 90, 150]), (20, 5, vec![30, 30, 90, 90, 150])]
    {
        let world = nodes(count, one_zone);
        let beats = |id: &str| id[1..].parse::<usize>().unwrap() >= silent;
        let lost = live(&world, &mut controller(&world), 200, beats).await;
        assert_eq!(seconds(&lost), expected, "{count}");
    }
}

/// Without it machines that take the places of lost ones would make the pool look larger, and more could be lost a minute.
#[tokio::test(flavor = "current_thread")]
async fn whoever_takes_a_lost_nodes_place_is_not_counted_beside_it() {
    let mut whole = spec(vec![pool("a", 10, 20)]);
    whole.settings = Some(Settings { losses_a_minute_percent: 40, ..settings() });
    let world = World::with_spec(whole);
    for number in 0..10 {
        world.running(&format!("i{number}"), "a");
    }
    let mut controller = controller(&world);
    // Five of ten are no mass, and four of ten may be lost a minute.
    let beats = |id: &str| !["m-i0", "m-i1", "m-i2", "m-i3", "m-i4"].contains(&id);
    assert_eq!(live(&world, &mut controller, 32, beats).await.len(), 4);
    for number in 0..4 {
        world.running_in_place_of(&format!("new{number}"), "a", &format!("i{number}"));
    }
    let lost = live(&world, &mut controller, 50, beats).await;
    assert_eq!(lost.len(), 4, "a minute has not passed");
    let lost = live(&world, &mut controller, 20, beats).await;
    assert_eq!(lost.len(), 5);
}

/// Without it each change of leader would open the gate anew.
#[tokio::test(flavor = "current_thread")]
async fn the_rate_outlives_the_leader() {
    let world = nodes(9, one_zone);
    let beats = |id: &str| id != "n0" && id != "n1";
    let lost = live(&world, &mut controller(&world), 39, beats).await;
    assert_eq!(seconds(&lost), [30]);
    let lost = live(&world, &mut controller(&world), 60, beats).await;
    assert_eq!(seconds(&lost), [0, 50], "the first was lost before");
}

/// Without it a fleet of one or two would lose its only machine to a restart of its network.
#[tokio::test(flavor = "current_thread")]
async fn a_lonely_node_is_given_ten_time_outs() {
    for count in [1, 2] {
        let world = nodes(count, one_zone);
        let lost = live(&world, &mut controller(&world), 400, |_| false).await;
        assert_eq!(seconds(&lost)[0], 300, "{count}");
    }
    let world = nodes(2, one_zone);
    let lost = live(&world, &mut controller(&world), 60, |id| id == "n0").await;
    assert_eq!(lost, [("n1".to_owned(), 30)], "somebody beats");
}

/// Without it a beat that came between the look and the decision would not count.
#[tokio::test(flavor = "current_thread")]
async fn a_beat_between_plan_and_proposal_spares_the_node() {
    let world = nodes(4, one_zone);
    world.advance(30).await;
    for id in ["n0", "n2", "n3"] {
        world.beat(id, 50.0);
    }
    let mut controller = controller(&world);
    let plan = controller.plan(&world.fleet(), world.now_ms());
    assert_eq!(plan.len(), 1);
    assert!(controller.still_silent(&world.fleet(), &plan[0], world.now_ms()));
    world.beat("n1", 50.0);
    assert!(!controller.still_silent(&world.fleet(), &plan[0], world.now_ms()));
    // One that reached the log by a digest is caught there.
    world.reconcile(&mut Digest::new(Arc::clone(&world.liveness)));
    let stale = world.reject(Kind::DeclareLost(plan[0].clone()));
    assert_eq!(stale, navarch_proto::fleet::RejectionCode::Stale);
}

/// Without it pools that shrink would look like pools that fall silent, and real losses would wait.
#[tokio::test(flavor = "current_thread")]
async fn machines_that_we_give_back_are_expected_to_be_silent() {
    let world = World::new(vec![pool("a", 0, 9)]);
    for number in 0..8 {
        world.running(&format!("i{number}"), "a");
    }
    for number in 0..5 {
        let instance_id = format!("i{number}");
        world.accept(Kind::TerminateInstance(TerminateInstance {
            instance_id,
            ..TerminateInstance::default()
        }));
    }
    let beats = |id: &str| ["m-i6", "m-i7"].contains(&id);
    let lost = live(&world, &mut controller(&world), 100, beats).await;
    assert_eq!(lost, [("m-i5".to_owned(), 30)]);
}

/// Without it nodes that were lost long ago would keep the breaker open for ever.
#[tokio::test(flavor = "current_thread")]
async fn an_old_loss_is_no_sign_of_present_trouble() {
    let world = nodes(9, one_zone);
    let mut controller = controller(&world);
    let beats = |id: &str| id[1..].parse::<usize>().unwrap() >= 4;
    assert_eq!(live(&world, &mut controller, 300, beats).await.len(), 4);
    // Two more are silent: with the four that makes 6 of 9, until the old ones no longer count.
    let beats = |id: &str| id[1..].parse::<usize>().unwrap() >= 6;
    let lost = live(&world, &mut controller, 900, beats).await;
    assert_eq!(lost.len(), 6);
    assert!(lost[4].1 > 200, "{lost:?}");
}
