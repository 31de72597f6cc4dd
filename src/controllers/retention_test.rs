use navarch_proto::{
    api::NodeCommandType,
    fleet::{FailInstance, FailureKind, QueueCommand},
};

use super::*;
use crate::controllers::testing::{World, pool, words};

fn planned(world: &World) -> Vec<String> {
    words(&plan(&world.fleet(), LogTime::from_ms(world.now_ms())))
}

/// Without it records would be dropped early, be kept for ever, or be proposed for again and again.
#[tokio::test(flavor = "current_thread")]
async fn a_failed_record_is_kept_for_a_day() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.order("i1", "a");
    let (instance_id, kind) = ("i1".to_owned(), FailureKind::LaunchTimeout.into());
    world.accept(Kind::FailInstance(FailInstance { instance_id, kind, ..FailInstance::default() }));
    world.advance(86_399).await;
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["drop-expired"]);
    assert_eq!(world.reconcile(&mut Retention).steps, 1);
    assert_eq!((world.fleet().instance_count(), planned(&world)), (0, vec![]));
}

/// Without it a command would wait past its deadline, or an idle fleet would write entries for nothing.
#[tokio::test(flavor = "current_thread")]
async fn a_command_expires_at_its_deadline() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.running("i1", "a");
    world.accept(Kind::QueueCommand(QueueCommand {
        command_id: "c1".to_owned(),
        node_id: "m-i1".to_owned(),
        r#type: NodeCommandType::RunDiagnostic.into(),
        deadline_ms: world.now_ms() + 10_500,
        ..QueueCommand::default()
    }));
    let period = || Retention.period(&world.fleet(), world.now_ms());
    assert_eq!(period(), Duration::from_millis(10_500));
    world.advance(10).await;
    assert_eq!((planned(&world), period()), (vec![], SHORTEST_PERIOD));
    world.advance(1).await;
    assert_eq!(planned(&world), ["expire-commands"]);
    world.reconcile(&mut Retention);
    assert_eq!((planned(&world), period()), (vec![], LONGEST_PERIOD));
}
