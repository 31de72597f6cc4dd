use navarch_proto::{
    api::RegisterNodeRequest,
    fleet::{
        AcceptDrain, ApplyFleetSpec, DrainNode, FinishDrain, FleetSpec, NotifierSpec, RefuseDrain,
        RegisterNode, Settings, UncordonNode, proposal::Kind,
    },
};
use tonic::Code;

use super::*;
use crate::ledger::{
    Author, Ledger,
    testing::{TestGroup, propose},
};

/// A fleet of one node, `n`.
struct World {
    ledger: Ledger,
}

impl World {
    fn new(notifier: &str) -> Self {
        let (ledger, _) = TestGroup::new().leading(1);
        let world = Self { ledger };
        let r#type = notifier.to_owned();
        let settings = Settings {
            notifier: Some(NotifierSpec { r#type, ..NotifierSpec::default() }),
            ..Settings::default()
        };
        let spec = FleetSpec { settings: Some(settings), ..FleetSpec::default() };
        world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec {
            spec: Some(spec),
            ..ApplyFleetSpec::default()
        }));
        let node_id = "n".to_owned();
        let request = Some(RegisterNodeRequest { node_id, ..RegisterNodeRequest::default() });
        world.accept(Kind::RegisterNode(RegisterNode { request, ..RegisterNode::default() }));
        world
    }

    fn accept(&self, kind: Kind) {
        propose(&self.ledger, kind, &Author::caller("operator")).unwrap();
    }

    fn newest(&self) -> u64 {
        self.ledger.view().fleet.last_event_index()
    }

    /// What a caller hears whose drain came after the event `since`: `open`, `stands`, or a refusal.
    fn heard(&self, since: u64) -> String {
        match outcome(&self.ledger.view().fleet, "n", since) {
            None => "open".to_owned(),
            Some(Ok(())) => "stands".to_owned(),
            Some(Err(status)) => {
                assert_eq!(status.code(), Code::FailedPrecondition);
                status.message().to_owned()
            }
        }
    }
}

fn drain() -> Kind {
    Kind::DrainNode(DrainNode { node_id: "n".to_owned(), ..DrainNode::default() })
}

fn accept() -> Kind {
    Kind::AcceptDrain(AcceptDrain { node_id: "n".to_owned(), node_revision: 0 })
}

fn refuse(reason: &str) -> Kind {
    let (node_id, reason) = ("n".to_owned(), reason.to_owned());
    Kind::RefuseDrain(RefuseDrain { node_id, reason, node_revision: 0 })
}

fn finish() -> Kind {
    Kind::FinishDrain(FinishDrain { node_id: "n".to_owned(), ..FinishDrain::default() })
}

fn uncordon() -> Kind {
    let reason = "never mind".to_owned();
    Kind::UncordonNode(UncordonNode { node_id: "n".to_owned(), reason, ..UncordonNode::default() })
}

/// Without it a caller would hear success of a refused drain, or of somebody else's.
#[tokio::test(flavor = "current_thread")]
async fn the_notice_decides_what_the_caller_hears() {
    let table: [(&[Kind], &str); 7] = [
        (&[], "open"),
        (&[accept()], "stands"),
        (&[refuse("job 7")], "job 7"),
        (&[refuse("job 7"), drain(), accept()], "job 7"),
        (&[accept(), finish(), uncordon()], "stands"),
        (&[finish()], "stands"),
        (&[uncordon()], "the drain was taken back by operator: never mind"),
    ];
    for (then, expected) in table {
        let world = World::new("webhook");
        // An older drain of the same node is another matter.
        world.accept(drain());
        world.accept(refuse("an older one"));
        let since = world.newest();
        world.accept(drain());
        then.iter().for_each(|kind| world.accept(kind.clone()));
        assert_eq!(world.heard(since), expected, "{then:?}");
    }
}

/// Without it the answer to a drain would wait for a notice that nobody gives.
#[tokio::test(flavor = "current_thread")]
async fn where_nobody_is_told_nothing_is_waited_for() {
    let world = World::new("noop");
    let since = world.newest();
    world.accept(drain());
    assert_eq!(world.heard(since), "stands");
    // A drain that the workload system knows of is not told again either.
    let world = World::new("webhook");
    world.accept(drain());
    world.accept(accept());
    let since = world.newest();
    world.accept(drain());
    assert_eq!(world.heard(since), "stands");
}

/// Without it a retry of a refused drain, whose first answer was lost, would hear of success.
#[tokio::test(flavor = "current_thread")]
async fn a_retry_hears_what_the_first_call_would_have() {
    let world = World::new("webhook");
    world.accept(drain());
    world.accept(refuse("job 7"));
    assert_eq!(world.heard(world.newest()), "job 7");
}
