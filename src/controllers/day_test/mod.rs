//! A day of a fleet on the fake clock: every deadline and period holds to the second, in quiet hours and over
//! a change of leader.

mod scene;

use std::{collections::BTreeMap, time::Duration};

use navarch_proto::{
    api::{HealthStatus, NodeCommandType},
    fleet::{
        Autoscaling, DrainNode, ForgetNode, NotifierSpec, PoolProvider, PoolSpec, ProviderSpec,
        QueueCommand, Reactive, RecordVerdict, RejectionCode, ScalePool, Settings, UncordonNode,
        autoscaling::Strategy, proposal::Kind,
    },
};

use self::scene::{BEAT, BEAT_MS, Scene};
use crate::ledger::Author;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
/// How long nobody leads in a failover.
const FAILOVER: u64 = 3;
const HEARTBEAT_TIMEOUT: u64 = 90;

fn pool(name: &str, min_nodes: u32, max_nodes: u32) -> PoolSpec {
    PoolSpec {
        name: name.to_owned(),
        providers: vec![PoolProvider { name: "cloud".to_owned(), ..PoolProvider::default() }],
        instance_type: "h100-8x".to_owned(),
        region: "eu".to_owned(),
        min_nodes,
        max_nodes,
        cooldown_ms: 300_000,
        unhealthy_after: 2,
        auto_replace: true,
        ..PoolSpec::default()
    }
}

/// One pool a deadline, so that they do not disturb each other. Drains wait for a workload system that never
/// answers.
fn spec() -> navarch_proto::fleet::FleetSpec {
    let reactive = Reactive { scale_up_at: 80.0, scale_down_at: 20.0 };
    let elastic = PoolSpec {
        autoscaling: Some(Autoscaling { strategy: Some(Strategy::Reactive(reactive)) }),
        ..pool("elastic", 1, 4)
    };
    let sold_out = PoolSpec { instance_type: "l4-1x".to_owned(), ..pool("sold-out", 0, 1) };
    let webhook = NotifierSpec { r#type: "webhook".to_owned(), ..NotifierSpec::default() };
    let cloud = ProviderSpec {
        name: "cloud".to_owned(),
        r#type: "fake".to_owned(),
        ..ProviderSpec::default()
    };
    let settings = Settings { notifier: Some(webhook), ..Settings::default() };
    navarch_proto::fleet::FleetSpec {
        settings: Some(settings),
        providers: vec![cloud],
        pools: vec![
            pool("drained", 1, 2),
            pool("dumb", 0, 3),
            elastic,
            // No room: the machine is drained before another is bought in its place.
            pool("ill", 2, 2),
            pool("silent", 3, 4),
            sold_out,
        ],
        ..navarch_proto::fleet::FleetSpec::default()
    }
}

/// Without it a deadline could be late, early, or moved by a change of leader, and nobody would know.
#[test]
fn every_deadline_of_a_day_holds_to_the_second() {
    // Without the system's timers and sockets, which nothing here may need.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(live_through_a_day());
}

async fn live_through_a_day() {
    let capacity = BTreeMap::from([("l4-1x".to_owned(), 0)]);
    let scene = Scene::start(spec(), capacity).await;
    scene.sleep(MINUTE).await;
    let sizes = ["drained", "dumb", "elastic", "ill", "silent"].map(|pool| scene.nodes(pool).len());
    assert_eq!(sizes, [1, 0, 1, 2, 3], "every pool is at its minimum");
    assert_eq!(scene.complaints(), [""; 0]);

    let morning = Deadlines::set(&scene).await;
    morning.check(&scene, None).await;
    scene.sleep(4 * HOUR).await;
    let session = scene.fleet().session().id.0;
    let noon = Deadlines::set(&scene).await;
    scene.elect(None).await;
    scene.sleep(FAILOVER).await;
    scene.elect(Some(2)).await;
    let opened_ms = scene.fleet().session().opened_at.as_ms();
    assert_eq!(opened_ms, scene.now_ms());
    check_fence(&scene, session);
    noon.check(&scene, Some(opened_ms)).await;

    scene.sleep(24 * HOUR).await;
    check_retention(&scene);
    check_digests(&scene).await;
    assert_eq!(scene.complaints(), [""; 0]);
}

/// Deadlines that began together.
struct Deadlines {
    start_ms: u64,
    silent: String,
    last_beat_ms: u64,
    ill: String,
    drained: String,
}

fn scale(pool: &str, target: u32, hold_until_ms: u64) -> Kind {
    Kind::ScalePool(ScalePool { pool: pool.to_owned(), target, hold_until_ms })
}

impl Deadlines {
    /// A machine that never registers, one that falls silent, one with an unhealthy event, a drain, a command, a
    /// busy pool that is held for half an hour, and a pool that nothing can be bought for.
    async fn set(scene: &Scene) -> Self {
        let start_ms = scene.now_ms();
        let (silent, ill, drained) = (
            scene.nodes("silent").remove(0),
            scene.nodes("ill").remove(0),
            scene.nodes("drained").remove(0),
        );
        scene.behaviour.dumb_pools.lock().unwrap().insert("dumb".to_owned());
        scene.propose(scale("dumb", 1, 0)).unwrap();
        scene.propose(scale("sold-out", 1, 0)).unwrap();
        scene.behaviour.silent.lock().unwrap().insert(silent.clone());
        scene.behaviour.load.lock().unwrap().insert("elastic".to_owned(), 95.0);
        scene.propose(scale("elastic", 1, start_ms + 30 * MINUTE * 1_000)).unwrap();
        scene.propose(unhealthy_event(scene, &ill)).unwrap();
        let node_id = drained.clone();
        let deadline_ms = start_ms + HOUR * 1_000;
        let drain = DrainNode { node_id, deadline_ms, ..DrainNode::default() };
        scene.propose(Kind::DrainNode(drain)).unwrap();
        let command = QueueCommand {
            command_id: format!("command-{start_ms}"),
            node_id: scene.nodes("silent").remove(1),
            r#type: NodeCommandType::RunDiagnostic.into(),
            deadline_ms: start_ms + 20 * MINUTE * 1_000,
            ..QueueCommand::default()
        };
        scene.propose(Kind::QueueCommand(command)).unwrap();
        // The digest after the last beat tells when that was.
        scene.sleep(10).await;
        let fleet = scene.fleet();
        let last_beat_ms = fleet.last_seen(fleet.node(&silent).unwrap().number).unwrap().at.as_ms();
        assert!(last_beat_ms <= start_ms && last_beat_ms + BEAT_MS > start_ms);
        Self { start_ms, silent, last_beat_ms, ill, drained }
    }

    /// Lives through the two hours that follow, and looks at the journal. `opened_ms` is when a new session
    /// opened, if one did.
    async fn check(&self, scene: &Scene, opened_ms: Option<u64>) {
        // The first step up is at the end of the hold; load goes before the third.
        scene.sleep(36 * MINUTE).await;
        scene.behaviour.load.lock().unwrap().insert("elastic".to_owned(), 5.0);
        scene.sleep(80 * MINUTE).await;
        self.check_loss(scene, opened_ms);
        self.check_registration(scene);
        self.check_illness(scene);
        self.check_scaling(scene);
        self.check_backoff(scene);
        self.after(scene, "command-expired", |_| true, 20 * MINUTE);
        let drained = format!("node/{}", self.drained);
        self.after(scene, "node-drained", |subject| subject == drained, HOUR);
        self.tidy(scene).await;
    }

    /// That the first event since the start came that many seconds after it, to the second.
    fn after(&self, scene: &Scene, kind: &str, subject: impl Fn(&str) -> bool, seconds: u64) {
        let first = self.since_start(scene, kind, subject).into_iter().next();
        assert_second(kind, first, self.start_ms + seconds * 1_000);
    }

    fn since_start(&self, scene: &Scene, kind: &str, subject: impl Fn(&str) -> bool) -> Vec<u64> {
        let times = scene.times(kind, subject).into_iter();
        times.filter(|&at| at >= self.start_ms).collect()
    }

    /// A node is lost one time-out after its last beat, or after a session that opened meanwhile; its machine is
    /// replaced at once.
    fn check_loss(&self, scene: &Scene, opened_ms: Option<u64>) {
        let heard_ms = opened_ms.unwrap_or(self.last_beat_ms);
        let silent = format!("node/{}", self.silent);
        let lost = self.since_start(scene, "node-lost", |_| true);
        assert_eq!(lost.len(), 1, "nobody else");
        let due_ms = heard_ms + HEARTBEAT_TIMEOUT * 1_000;
        assert_second("node-lost", lost.first().copied(), due_ms);
        let gone = self.since_start(scene, "node-terminated", |subject| subject == silent);
        assert!(gone[0] <= lost[0] + 10_000, "its machine is given back");
        let nodes = scene.nodes("silent");
        assert!(nodes.len() == 3 && !nodes.contains(&self.silent), "and replaced");
    }

    /// A machine that never registers fails one time-out after its purchase; so does the one bought in its place.
    fn check_registration(&self, scene: &Scene) {
        let fleet = scene.fleet();
        let dumb: Vec<String> =
            fleet.instances_in_pool("dumb").map(|one| format!("instance/{}", one.id)).collect();
        let is_dumb = |subject: &str| dumb.iter().any(|one| one == subject);
        let bought = self.since_start(scene, "instance-bought", is_dumb);
        let failed = self.since_start(scene, "instance-failed", is_dumb);
        assert!(failed.len() >= 10, "{failed:?}");
        for (bought, failed) in bought.iter().zip(&failed) {
            assert_second("registration", Some(*failed), bought + 10 * MINUTE * 1_000);
        }
        for (failed, bought) in failed.iter().zip(&bought[1..]) {
            assert!(bought - failed <= 1_000, "replaced within a second");
        }
    }

    /// Ten minutes after an unhealthy event the machine is drained, and after the drain's hour replaced.
    fn check_illness(&self, scene: &Scene) {
        let ill = format!("node/{}", self.ill);
        self.after(scene, "node-draining", |subject| subject == ill, 10 * MINUTE);
        // The drain's hour counts from its own beginning.
        let began_ms = self.since_start(scene, "node-draining", |subject| subject == ill)[0];
        let drained = self.since_start(scene, "node-drained", |subject| subject == ill);
        assert_second("node-drained", drained.first().copied(), began_ms + HOUR * 1_000);
        assert!(!scene.nodes("ill").contains(&self.ill));
    }

    /// The hold ends to the second, and steps are a cooldown apart, each seen at the next look.
    fn check_scaling(&self, scene: &Scene) {
        let moves = scene.moves("elastic").into_iter();
        let decided: Vec<u64> = moves.filter(|&at| at >= self.start_ms).collect();
        let look_ms = 30_000;
        let hold_over_ms = self.start_ms + 30 * MINUTE * 1_000;
        assert!((hold_over_ms..hold_over_ms + look_ms).contains(&decided[0]), "{decided:?}");
        // Two up, two down; the second way down waits until the first machine is drained and gone.
        assert_eq!(decided.len(), 4);
        for (pair, apart_ms) in decided.windows(2).zip([300_000, 300_000, HOUR * 1_000]) {
            let apart = pair[1] - pair[0];
            assert!((apart_ms..=apart_ms + look_ms).contains(&apart), "{decided:?}");
        }
    }

    /// A sold-out place is asked after 30 s, and after twice as long each time, up to half an hour.
    fn check_backoff(&self, scene: &Scene) {
        let refused = self.since_start(scene, "capacity-backoff", |_| true);
        let pauses = [30, 60, 120, 240, 480, 960, 1_800, 1_800];
        for (pair, pause) in refused.windows(2).zip(pauses) {
            assert_second("capacity-backoff", Some(pair[1]), pair[0] + pause * 1_000);
        }
        assert!(refused.len() >= 8, "{refused:?}");
    }

    /// Ends what has no end of its own.
    async fn tidy(&self, scene: &Scene) {
        scene.propose(scale("dumb", 0, 0)).unwrap();
        scene.propose(scale("sold-out", 0, 0)).unwrap();
        let node_id = self.drained.clone();
        let uncordon = UncordonNode { node_id, ..UncordonNode::default() };
        scene.propose(Kind::UncordonNode(uncordon)).unwrap();
        scene.sleep(2 * HOUR).await;
        let fleet = scene.fleet();
        assert_eq!(fleet.backoffs().count(), 0, "refusals are forgotten");
        assert_eq!(fleet.pool_counts("dumb").occupancy(), 0);
        assert!(fleet.pools().all(|pool| pool.held_reason.is_empty()), "no hold stays");
    }
}

/// At `due_ms` or less than a second later.
fn assert_second(what: &str, at_ms: Option<u64>, due_ms: u64) {
    let at_ms = at_ms.unwrap_or_else(|| panic!("{what}: never"));
    let late = i128::from(at_ms) - i128::from(due_ms);
    assert!((0..=1_000).contains(&late), "{what}: {late} ms late");
}

fn unhealthy_event(scene: &Scene, node_id: &str) -> Kind {
    let fleet = scene.fleet();
    Kind::RecordVerdict(RecordVerdict {
        node_id: node_id.to_owned(),
        verdict: HealthStatus::Unhealthy.into(),
        checks: HealthStatus::Healthy.into(),
        events: HealthStatus::Unhealthy.into(),
        policy_revision: fleet.policy_revision(),
        node_incarnation: fleet.node(node_id).unwrap().incarnation,
        ..RecordVerdict::default()
    })
}

/// The controllers of the session that is over change nothing any more.
fn check_fence(scene: &Scene, session: u64) {
    let attempt = |session| {
        let author = Author::controller("provisioner", session);
        let forget = Kind::ForgetNode(ForgetNode { node_id: "none".to_owned() });
        scene.propose_as(forget, &author).unwrap_err().rejection_code()
    };
    assert_eq!(attempt(session), Some(RejectionCode::Fenced));
    let present = scene.fleet().session().id.0;
    assert_eq!(attempt(present), Some(RejectionCode::NotFound));
}

/// Every record of a machine that is gone is dropped a day later.
fn check_retention(scene: &Scene) {
    let fleet = scene.fleet();
    let mut dropped = 0;
    for event in fleet.events_since(0, usize::MAX).filter(|event| event.kind == "instance-dropped")
    {
        let gone = scene.times("instance-terminated", |subject| subject == event.subject);
        let failed = scene.times("instance-failed", |subject| subject == event.subject);
        let finished = gone.first().or(failed.first()).copied().unwrap();
        assert_second(
            "instance-dropped",
            Some(scene::time_ms(event)),
            finished + 24 * HOUR * 1_000,
        );
        dropped += 1;
    }
    assert!(dropped > 20, "{dropped}");
    let now_ms = scene.now_ms();
    let overdue = |one: &&std::sync::Arc<navarch_fleet::Instance>| {
        one.is_finished() && one.state_since.plus_ms(24 * HOUR * 1_000).as_ms() + 1_000 < now_ms
    };
    assert_eq!(fleet.instances().filter(overdue).count(), 0);
}

/// A beat is in the log five seconds later.
async fn check_digests(scene: &Scene) {
    let period = Duration::from_secs(5);
    for _ in 0..60 {
        scene.sleep(1).await;
        let fleet = scene.fleet();
        for node in fleet.nodes().filter(|node| !node.is_lost()) {
            if node.administrative == navarch_fleet::Administrative::Terminated {
                continue;
            }
            let seen = fleet.last_seen(node.number).unwrap();
            let age = Duration::from_millis(scene.now_ms() - seen.at.as_ms());
            assert!(age <= BEAT + period, "{}: {age:?}", node.id);
        }
    }
}
