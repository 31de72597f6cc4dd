use navarch_fleet::LogTime;
use navarch_proto::fleet::{
    ApplyFleetSpec, FailInstance, FailureKind, PoolProvider, RejectionCode, ScalePool,
    TerminateInstance,
};

use super::*;
use crate::controllers::testing::{World, pool, pool_provider, spec, words};

fn steps(world: &World) -> Vec<Kind> {
    let fleet = world.fleet();
    let now = LogTime::from_ms(world.now_ms());
    let market = Market { fleet: &fleet, providers: &world.providers, now };
    let mut count = 0;
    plan(&market, || {
        count += 1;
        format!("i-{count}")
    })
}

fn planned(world: &World) -> Vec<String> {
    words(&steps(world))
}

/// Logs the first planned order, under that id.
fn place(world: &World, id: &str) {
    let Kind::RequestInstance(mut order) = steps(world).remove(0) else { panic!("no order") };
    order.instance_id = id.to_owned();
    world.accept(Kind::RequestInstance(order));
}

fn fail(world: &World, id: &str, kind: FailureKind) {
    world.accept(Kind::FailInstance(FailInstance {
        instance_id: id.to_owned(),
        kind: kind.into(),
        ..FailInstance::default()
    }));
}

fn hold(world: &World, reason: &str) {
    let (pool, reason) = ("a".to_owned(), reason.to_owned());
    world.accept(Kind::HoldPool(HoldPool { pool, reason }));
}

/// Without it a machine would be bought again while it boots, as the original did.
#[tokio::test(flavor = "current_thread")]
async fn what_is_ordered_or_boots_counts_as_there() {
    let world = World::new(vec![pool("a", 4, 8)]);
    assert_eq!(planned(&world), ["order cloud eu"; 4]);
    world.order("i1", "a");
    world.bought("i2", "a");
    world.running("i3", "a");
    assert_eq!(planned(&world), ["order cloud eu"; 1]);
    world.order("i4", "a");
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it machines that are not known to be gone would be paid for beyond the maximum.
#[tokio::test(flavor = "current_thread")]
async fn occupancy_never_passes_the_maximum() {
    let world = World::new(vec![pool("a", 3, 3)]);
    for id in ["i1", "i2", "i3"] {
        world.running(id, "a");
    }
    let full = || format!("hold a {FULL:?}");
    let node = world.node("m-i1");
    world.accept(Kind::DeclareLost(navarch_proto::fleet::DeclareLost {
        node_id: "m-i1".to_owned(),
        node_revision: node.revision.0,
        ..Default::default()
    }));
    fail(&world, "i1", FailureKind::NodeLost);
    assert_eq!(planned(&world), [full()]);
    let instance_id = "i1".to_owned();
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id,
        ..TerminateInstance::default()
    }));
    assert_eq!(planned(&world), [full()]);
    fail(&world, "i2", FailureKind::Vanished);
    assert_eq!(planned(&world), ["order cloud eu".to_owned(), full()]);
}

/// Without it the journal would repeat a hold every second, or a pool would look held for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_hold_is_noted_once_and_lifted() {
    let mut held = pool("a", 1, 2);
    held.providers = vec![pool_provider("unknown")];
    let provider = navarch_proto::fleet::ProviderSpec {
        name: "unknown".to_owned(),
        r#type: "fake".to_owned(),
        ..Default::default()
    };
    let mut whole = spec(vec![held]);
    whole.providers.push(provider);
    let world = World::with_spec(whole.clone());
    assert_eq!(planned(&world), [r#"hold a "there is no such cloud""#]);
    hold(&world, "there is no such cloud");
    assert_eq!(planned(&world), [""; 0]);
    // Lifted when it can be bought again...
    whole.pools[0].providers.push(pool_provider("cloud"));
    let apply = ApplyFleetSpec { spec: Some(whole), ..ApplyFleetSpec::default() };
    world.accept(Kind::ApplyFleetSpec(apply));
    assert_eq!(planned(&world), ["order cloud eu", r#"hold a """#]);
    // ...and when nothing is missing any more.
    world.running("i1", "a");
    assert_eq!(planned(&world), [r#"hold a """#]);
    hold(&world, "");
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a long reason, which the record cuts, would be noted again every second.
#[tokio::test(flavor = "current_thread")]
async fn a_long_reason_is_noted_once() {
    let regions = (0..100).map(|number| format!("region-{number:04}")).collect();
    let provider = PoolProvider { regions, ..pool_provider("cloud") };
    let mut broad = pool("a", 0, 200);
    broad.providers = vec![provider];
    let world = World::new(vec![broad]);
    world.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target: 1, hold_until_ms: 0 }));
    for number in 0..100 {
        place(&world, &format!("i{number:03}"));
        fail(&world, &format!("i{number:03}"), FailureKind::Capacity);
    }
    let Kind::HoldPool(noted) = steps(&world).remove(0) else { panic!("not held") };
    assert_eq!(noted.reason.len(), LONGEST_REASON);
    hold(&world, &noted.reason);
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a sold-out place would be asked many times a second, or never again: the pause is measured by
/// the time that passes, not by that of the last entry, which stands still in an idle fleet.
#[tokio::test(flavor = "current_thread")]
async fn pauses_after_refusals_double_and_end() {
    for kind in [FailureKind::Capacity, FailureKind::Quota, FailureKind::Invalid] {
        let world = World::new(vec![pool("a", 1, 2)]);
        let held = r#"hold a "cloud sells no h100-8x in \"eu\" at present""#;
        for (number, pause) in [30, 60, 120, 240, 480, 960, 1_800, 1_800].into_iter().enumerate() {
            let id = format!("i{number}");
            world.order(&id, "a");
            fail(&world, &id, kind);
            assert_eq!(planned(&world), [held], "{kind:?}");
            let order = |id: &str| {
                let Kind::RequestInstance(mut order) = steps_ignoring_pauses(&world) else {
                    panic!("no order")
                };
                order.instance_id = id.to_owned();
                Kind::RequestInstance(order)
            };
            assert_eq!(world.reject(order("early")), RejectionCode::Precondition);
            world.advance(pause - 1).await;
            assert_eq!(planned(&world), [held], "{kind:?} {pause} s");
            world.advance(1).await;
            assert_eq!(planned(&world), ["order cloud eu"], "{kind:?} {pause} s");
        }
    }
}

/// The order that would be made if nothing paused.
fn steps_ignoring_pauses(world: &World) -> Kind {
    let fleet = world.fleet();
    let now = LogTime::from_ms(u64::MAX);
    let market = Market { fleet: &fleet, providers: &world.providers, now };
    plan(&market, || "i-0".to_owned()).remove(0)
}

/// Without it one burst of orders to a sold-out cloud would close it for half an hour.
#[tokio::test(flavor = "current_thread")]
async fn a_burst_of_refusals_is_one_refusal() {
    let world = World::new(vec![pool("a", 5, 9)]);
    for number in 0..5 {
        world.order(&format!("i{number}"), "a");
    }
    for number in 0..5 {
        fail(&world, &format!("i{number}"), FailureKind::Capacity);
    }
    world.advance(30).await;
    assert_eq!(planned(&world), ["order cloud eu"; 5]);
}

/// Without it a pool would stop at the first provider that cannot deliver.
#[tokio::test(flavor = "current_thread")]
async fn each_place_falls_back_to_the_next() {
    let mut broad = pool("a", 1, 4);
    let regions = vec!["eu".to_owned(), "us".to_owned()];
    broad.providers = vec![
        PoolProvider { regions, ..pool_provider("cloud") },
        PoolProvider { priority: 1, ..pool_provider("other") },
        PoolProvider { priority: -1, ..pool_provider("broken") },
    ];
    let mut whole = spec(vec![broad]);
    whole.providers.push(navarch_proto::fleet::ProviderSpec {
        name: "broken".to_owned(),
        r#type: "fake".to_owned(),
        ..Default::default()
    });
    let world = World::with_spec(whole);
    for (id, expected) in
        [("i1", "order cloud eu"), ("i2", "order cloud us"), ("i3", "order other eu")]
    {
        assert_eq!(planned(&world), [expected]);
        place(&world, id);
        fail(&world, id, FailureKind::Capacity);
    }
    assert_eq!(
        planned(&world),
        [
            "hold a \"there is no such cloud; cloud sells no h100-8x in \\\"eu\\\" at present; cloud \
          sells no h100-8x in \\\"us\\\" at present; other sells no h100-8x in \\\"eu\\\" at present\""
        ]
    );
}

/// Without it a large pool would keep the others waiting for all of its orders.
#[tokio::test(flavor = "current_thread")]
async fn pools_share_a_pass() {
    let world = World::new(vec![pool("a", 1_000, 1_000), pool("b", 2, 2)]);
    let planned = steps(&world);
    let of = |name: &str| {
        let named =
            |step: &&Kind| matches!(step, Kind::RequestInstance(order) if order.pool == name);
        planned.iter().filter(named).count()
    };
    assert_eq!((of("a"), of("b")), (ORDERS_PER_PASS / 2, 2));
}

/// Without it a machine could not be found again by what it bears.
#[tokio::test(flavor = "current_thread")]
async fn an_order_names_everything() {
    let mut zoned = pool("a", 3, 3);
    zoned.zones = vec!["eu-a".to_owned(), "eu-b".to_owned()];
    zoned.labels.insert("team".to_owned(), "red".to_owned());
    let world = World::new(vec![zoned]);
    let planned = steps(&world);
    let orders: Vec<_> = planned
        .iter()
        .map(|step| match step {
            Kind::RequestInstance(order) => order,
            other => panic!("{other:?}"),
        })
        .collect();
    let zones: Vec<&str> = orders.iter().map(|order| order.zone.as_str()).collect();
    assert_eq!(zones, ["eu-a", "eu-b", "eu-a"]);
    let body = std::str::from_utf8(&orders[0].request_body).unwrap();
    assert_eq!(
        body,
        r#"{"name":"i-1","instance_type":"h100-8x","region":"eu","zone":"eu-a","ssh_keys":[],"labels":{"navarch.cluster":"cluster-1","navarch.instance":"i-1","navarch.pool":"a","navarch.provider":"cloud","team":"red"},"user_data":""}"#
    );
}

/// Without it the machines of a pool would end up in one zone, which may fail as a whole.
#[tokio::test(flavor = "current_thread")]
async fn machines_are_spread_over_zones() {
    let mut zoned = pool("a", 0, 9);
    zoned.zones = ["eu-a", "eu-b", "eu-c"].map(str::to_owned).to_vec();
    let world = World::new(vec![zoned]);
    let zones = |world: &World| -> Vec<String> {
        let planned = steps(world);
        let zone = |step: &Kind| match step {
            Kind::RequestInstance(order) => Some(order.zone.clone()),
            _ => None,
        };
        planned.iter().filter_map(zone).collect()
    };
    let machine = |id: &str, zone: &str| {
        world.order(id, "a");
        world.accept(Kind::RecordPurchase(navarch_proto::fleet::RecordPurchase {
            instance_id: id.to_owned(),
            provider_ref: format!("m-{id}"),
            zone: zone.to_owned(),
            ..Default::default()
        }));
    };
    for (id, zone) in [("i1", "eu-a"), ("i2", "eu-a"), ("i3", "eu-c")] {
        machine(id, zone);
    }
    world.accept(Kind::ScalePool(navarch_proto::fleet::ScalePool {
        pool: "a".to_owned(),
        target: 7,
        hold_until_ms: 0,
    }));
    assert_eq!(zones(&world), ["eu-b", "eu-b", "eu-c", "eu-a"]);
}

/// Without it a pool would ask a zone that is sold out, or gone, for ever: it has the fewest machines.
#[tokio::test(flavor = "current_thread")]
async fn a_zone_that_refused_comes_after_the_others() {
    let mut zoned = pool("a", 2, 9);
    zoned.zones = ["eu-a", "eu-b"].map(str::to_owned).to_vec();
    let world = World::new(vec![zoned]);
    let zone_of = |world: &World| match steps(world).into_iter().next() {
        Some(Kind::RequestInstance(order)) => order.zone,
        other => panic!("{other:?}"),
    };
    place(&world, "i1");
    fail(&world, "i1", FailureKind::Capacity);
    world.advance(31).await;
    assert_eq!(zone_of(&world), "eu-b");
    place(&world, "i2");
    assert_eq!(zone_of(&world), "eu-b", "though it has more machines");
    fail(&world, "i2", FailureKind::Quota);
    world.advance(61).await;
    assert_eq!(zone_of(&world), "eu-a", "both refused");
    place(&world, "i3");
    world.accept(Kind::RecordPurchase(navarch_proto::fleet::RecordPurchase {
        instance_id: "i3".to_owned(),
        provider_ref: "m-i3".to_owned(),
        zone: "eu-a".to_owned(),
        ..Default::default()
    }));
    assert_eq!(zone_of(&world), "eu-a", "it sells again");
    world.advance(1_800).await;
    assert_eq!(zone_of(&world), "eu-b", "that was long ago: the one with fewer machines");
}
