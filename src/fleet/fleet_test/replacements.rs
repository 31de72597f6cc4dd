//! Replacements, GPUs that were given up on, and machines that no record explains.

use navarch_proto::{
    api::RegisterNodeRequest,
    fleet::{
        FailureKind, ForgiveGpu, KeepInstance, RecordOrphan, RejectionCode, RequestInstance,
        ScalePool, proposal::Kind,
    },
};

use super::{
    harness::{Fleet, node_request, order, purchase, register},
    instances::{fail, give_up, gone, state_of, terminate},
};
use crate::InstanceState;

/// An order that takes the place of `replaces`.
fn replacement(id: &str, replaces: &str) -> Kind {
    let Kind::RequestInstance(order) = order(id, "a") else { unreachable!("it is an order") };
    Kind::RequestInstance(RequestInstance { replaces: replaces.to_owned(), ..order })
}

/// A registration of `node` whose only GPU is `uuid`.
fn with_gpu(node: &str, uuid: &str) -> RegisterNodeRequest {
    let mut request = node_request(node, &[]);
    request.gpus.truncate(1);
    request.gpus[0].uuid = uuid.to_owned();
    request
}

fn running(fleet: &mut Fleet, id: &str, uuid: &str) {
    fleet.accept(order(id, "a"));
    come_up(fleet, id, uuid);
}

fn come_up(fleet: &mut Fleet, id: &str, uuid: &str) {
    let node = format!("m-{id}");
    fleet.accept(purchase(id, &node));
    fleet.accept(register(with_gpu(&node, uuid), ""));
}

fn size_and_occupancy(fleet: &Fleet) -> (u32, u32) {
    let counts = fleet.state.pool_counts("a");
    (counts.size(), counts.occupancy())
}

/// Without it a pool would buy a second replacement, or give the first one back while it boots.
#[test]
fn a_pair_counts_one_towards_the_target_and_two_towards_the_maximum() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "g1");
    fleet.accept(replacement("i2", "i1"));
    assert_eq!(size_and_occupancy(&fleet), (1, 2));
    assert_eq!(fleet.reject(replacement("i3", "i1")), RejectionCode::Precondition);
    come_up(&mut fleet, "i2", "g2");
    assert_eq!(size_and_occupancy(&fleet), (1, 2));
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    assert_eq!(size_and_occupancy(&fleet), (1, 2), "until it is gone");
    fleet.accept(terminate("i1"));
    fleet.accept(gone("i1"));
    assert_eq!(size_and_occupancy(&fleet), (1, 1));
    fleet.check_indexes();
}

/// Without it two would be bought for one that fails just before its replacement is ordered: its pool is short of it then.
#[test]
fn only_a_machine_that_runs_is_replaced() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "g1");
    fleet.accept(fail("i1", FailureKind::Vanished));
    assert_eq!(fleet.reject(replacement("i2", "i1")), RejectionCode::Stale);
    fleet.accept(order("i3", "a"));
    assert_eq!(fleet.reject(replacement("i4", "i3")), RejectionCode::Stale, "boots");
}

/// Without it a machine too many would be bought whenever another one is counted again between look and order.
#[test]
fn an_order_within_the_target_is_refused_once_the_pool_has_it() {
    let within = |id: &str, replaces: &str| {
        let Kind::RequestInstance(order) = replacement(id, replaces) else { unreachable!() };
        Kind::RequestInstance(RequestInstance { within_target: true, ..order })
    };
    let scale =
        |target| Kind::ScalePool(ScalePool { pool: "a".to_owned(), target, hold_until_ms: 0 });
    let mut fleet = Fleet::configured();
    fleet.accept(scale(1));
    running(&mut fleet, "i1", "g1");
    assert_eq!(fleet.reject(within("more", "")), RejectionCode::Stale);
    fleet.accept(within("other", "i1"));
    assert_eq!(fleet.reject(within("more", "")), RejectionCode::Stale, "the pair counts one");
    fleet.accept(scale(2));
    fleet.accept(within("more", ""));
}

/// Without it a machine whose replacement came to nothing would count no more, and another would be bought.
#[test]
fn a_replacement_that_comes_to_nothing_releases_the_machine() {
    let ends: [&dyn Fn(&mut Fleet); 3] = [
        &|fleet| drop(fleet.accept(fail("i2", FailureKind::Capacity))),
        &|fleet| {
            fleet.accept(purchase("i2", "m-i2"));
            fleet.accept(terminate("i2"));
        },
        &|fleet| {
            fleet.accept(Kind::KeepInstance(KeepInstance {
                instance_id: "i1".to_owned(),
                ..KeepInstance::default()
            }));
        },
    ];
    for (number, end) in ends.iter().enumerate() {
        let mut fleet = Fleet::configured();
        running(&mut fleet, "i1", "g1");
        fleet.accept(replacement("i2", "i1"));
        let before = fleet.state.last_event_index();
        end(&mut fleet);
        let counts = fleet.state.pool_counts("a");
        assert_eq!((counts.being_replaced, counts.running), (0, 1), "way {number}");
        let kinds = fleet.kinds_since(before);
        assert!(kinds.iter().any(|kind| kind == "replacement-cancelled"), "{kinds:?}");
    }
}

/// Without it a cloud could hand the same broken GPU back again and again.
#[test]
fn a_gpu_that_was_given_up_on_is_refused_for_a_week() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "bad");
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    running(&mut fleet, "i2", "good");
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Running);
    running(&mut fleet, "i3", "bad");
    let refused = fleet.state.instance("i3").unwrap();
    assert_eq!((refused.state, refused.failure), (InstanceState::Failed, FailureKind::BadGpu));
    assert!(refused.status_message.contains("GPU bad"), "{}", refused.status_message);
    assert_eq!(fleet.state.backoffs().count(), 1, "the place is left alone for a while");
    let mut bytes = Vec::new();
    fleet.state.write_snapshot(&mut bytes).unwrap();
    let restored = crate::FleetState::read_snapshot(&mut bytes.as_slice()).unwrap();
    assert_eq!(restored.hash(), fleet.state.hash(), "a snapshot keeps what was given up on");
    fleet.advance(7 * DAY_MS);
    for id in ["i1", "i3"] {
        fleet.accept(terminate(id));
        fleet.accept(gone(id));
    }
    running(&mut fleet, "i4", "bad");
    assert_eq!(state_of(&fleet, "i4"), InstanceState::Running);
}

/// Without it a cloud whose only free machine is the one that was given back would sell it every half minute, for a week.
#[test]
fn each_bad_machine_in_a_row_doubles_the_pause_and_a_good_one_ends_it() {
    for asked in ["eu", ""] {
        let mut fleet = Fleet::configured();
        running(&mut fleet, "i1", "bad");
        give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
        let buy = |fleet: &mut Fleet, id: &str, uuid: &str| {
            let Kind::RequestInstance(order) = order(id, "b") else { unreachable!("an order") };
            let ordered = RequestInstance { region: asked.to_owned(), ..order };
            fleet.accept(Kind::RequestInstance(ordered));
            come_up(fleet, id, uuid);
            let pause = fleet.state.backoffs().next().map(|(_, backoff)| backoff);
            fleet.accept(terminate(id));
            fleet.accept(gone(id));
            pause
        };
        for (number, pause_ms) in [30_000, 60_000, 120_000].into_iter().enumerate() {
            let pause = buy(&mut fleet, &format!("b{number}"), "bad").unwrap();
            assert_eq!(pause.until.as_ms() - fleet.now_ms, pause_ms, "asked for {asked:?}");
            let Kind::RequestInstance(order) = order("early", "b") else { unreachable!() };
            let early = RequestInstance { region: asked.to_owned(), ..order };
            assert_eq!(
                fleet.reject(Kind::RequestInstance(early)),
                RejectionCode::Precondition,
                "asked for {asked:?}"
            );
            fleet.advance(pause_ms);
        }
        assert_eq!(buy(&mut fleet, "good", "good"), None);
    }
}

/// An agent may register before its machine's purchase is recorded: without it that machine would slip through.
#[test]
fn a_gpu_that_was_given_up_on_is_refused_of_an_early_agent_too() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "bad");
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    fleet.accept(order("i2", "a"));
    let mut early = with_gpu("m-i2", "bad");
    let labels = &mut early.metadata.get_or_insert_default().labels;
    labels.insert("navarch.instance".to_owned(), "i2".to_owned());
    fleet.accept(register(early, ""));
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Provisioning);
    fleet.accept(purchase("i2", "m-i2"));
    assert_eq!(fleet.state.instance("i2").unwrap().failure, FailureKind::BadGpu);
}

/// Without it a GPU that was mended would be refused for the rest of its week, or nobody could tell who let it back.
#[test]
fn an_operator_can_forgive_a_gpu() {
    let mut fleet = Fleet::configured();
    let forgive = |uuid: &str, reason: &str| {
        let (uuid, reason) = (uuid.to_owned(), reason.to_owned());
        Kind::ForgiveGpu(ForgiveGpu { uuid, reason })
    };
    running(&mut fleet, "i1", "bad");
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    let (_, gpu) = fleet.state.given_up_gpus().next().unwrap();
    assert_eq!((&*gpu.instance_id, gpu.at), ("i1", Some(fleet.state.log_time())));
    let reason = &fleet.state.instance("i1").unwrap().status_message;
    assert_eq!(&gpu.reason, reason, "why the machine was given up on");
    assert_eq!(fleet.reject(forgive("good", "why not")), RejectionCode::NotFound);
    assert_eq!(fleet.reject(forgive("bad", "")), RejectionCode::Invalid);
    fleet.accept(forgive("bad", "reseated"));
    let told = fleet.state.events_since(0, usize::MAX).last().unwrap();
    let who = [&told.kind, &told.subject, &told.actor, &told.reason];
    assert_eq!(who, ["gpu-forgiven", "gpu/bad", "operator", "reseated"]);
    assert_eq!(fleet.reject(forgive("bad", "again")), RejectionCode::NotFound);
    running(&mut fleet, "i2", "bad");
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Running);
}

/// Without it a list would show, or an operator forgive, what counts no more.
#[test]
fn a_gpu_whose_week_is_over_is_not_listed() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "bad");
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    assert_eq!(fleet.state.given_up_gpus().count(), 1);
    fleet.advance(7 * 24 * 3_600_000);
    fleet.accept(super::harness::register_plain("other"));
    assert_eq!(fleet.state.given_up_gpus().count(), 0);
    assert!(fleet.state.given_up_gpu("bad").is_none());
}

/// Without it a lost machine's GPUs, which are as good as any, would be refused.
#[test]
fn a_lost_machine_says_nothing_of_its_gpus() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "g1");
    give_up(&mut fleet, "i1", FailureKind::NodeLost);
    running(&mut fleet, "i2", "g1");
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Running);
}

/// Without it what was replaced in the last hour would be forgotten with each leader.
#[test]
fn replacements_of_the_last_hour_are_counted() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "g1");
    running(&mut fleet, "i2", "g2");
    give_up(&mut fleet, "i1", FailureKind::NodeLost);
    fleet.advance(3_599_999);
    give_up(&mut fleet, "i2", FailureKind::NodeUnhealthy);
    assert_eq!(fleet.state.pool("a").unwrap().replaced_at.len(), 2);
    fleet.advance(1);
    running(&mut fleet, "i3", "g3");
    give_up(&mut fleet, "i3", FailureKind::NodeUnhealthy);
    assert_eq!(fleet.state.pool("a").unwrap().replaced_at.len(), 2, "the first is an hour old");
}

fn orphan(id: &str, provider_ref: &str, report_only: bool) -> Kind {
    Kind::RecordOrphan(RecordOrphan {
        instance_id: id.to_owned(),
        pool: "a".to_owned(),
        provider: "cloud".to_owned(),
        provider_ref: provider_ref.to_owned(),
        reason: "no record explains it".to_owned(),
        report_only,
        ..RecordOrphan::default()
    })
}

/// Without it a machine that a record explains, if only since a moment ago, could be ended as nobody's.
#[test]
fn an_orphan_becomes_a_record_that_is_given_back() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "g1");
    assert_eq!(fleet.reject(orphan("o1", "m-i1", false)), RejectionCode::Stale);
    assert_eq!(fleet.reject(orphan("i1", "stray", false)), RejectionCode::AlreadyExists);
    fleet.accept(orphan("o1", "stray", true));
    assert!(fleet.state.instance("o1").is_none(), "told of only");
    fleet.accept(orphan("o1", "stray", false));
    assert_eq!(state_of(&fleet, "o1"), InstanceState::Terminating);
    assert_eq!(size_and_occupancy(&fleet), (1, 2));
    assert_eq!(fleet.reject(orphan("o2", "stray", false)), RejectionCode::Stale, "once");
    fleet.accept(gone("o1"));
    assert_eq!(size_and_occupancy(&fleet), (1, 1));
}
