use super::*;
use crate::{
    controllers::testing::{World, pool},
    ledger::LocalFault,
};

/// Without it a successor would start without history, or with times that are off by their age.
#[tokio::test(flavor = "current_thread")]
async fn the_log_learns_who_was_heard_when() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.running("i1", "a");
    world.running("i2", "a");
    let beaten_ms = world.now_ms();
    world.beat("m-i1", 70.0);
    world.advance(4).await;
    let mut digest = Digest::new(Arc::clone(&world.liveness));
    assert_eq!(world.reconcile(&mut digest).steps, 1);
    let seen = world.fleet().last_seen(world.number("m-i1")).unwrap();
    assert_eq!((seen.at.as_ms(), seen.utilization), (beaten_ms, Some(70)));
    assert_eq!(world.fleet().last_seen(world.number("m-i2")), None);
    assert_eq!(world.reconcile(&mut digest), Report::default(), "nothing new, no entry");
}

/// Without it beats would be missing from the log because one proposal failed.
#[tokio::test(flavor = "current_thread")]
async fn a_digest_that_failed_is_logged_the_next_time() {
    for fault in [LocalFault::Refuse, LocalFault::Lose, LocalFault::DropAnswer] {
        let world = World::new(vec![pool("a", 0, 5)]);
        world.running("i1", "a");
        world.beat("m-i1", 70.0);
        world.group.group.fault([fault]);
        let mut digest = Digest::new(Arc::clone(&world.liveness));
        assert_eq!(world.reconcile(&mut digest).failed, 1);
        assert_eq!(world.reconcile(&mut digest).steps, 1, "{fault:?}");
        assert!(world.fleet().last_seen(world.number("m-i1")).is_some());
    }
}

/// Without it one digest could be larger than an entry may be.
#[test]
fn a_digest_of_many_nodes_comes_in_chunks_that_fit() {
    use navarch_fleet::NodeNumber;
    use prost::Message as _;

    let liveness = Liveness::default();
    for number in 1..=130_000 {
        liveness.beat(NodeNumber(number), 1_000, None, 10_000);
    }
    let chunks = liveness.take_digest();
    let sizes: Vec<usize> =
        chunks.iter().map(|lines| encode(lines, 1_000 + 3_600_000).encoded_len()).collect();
    assert_eq!(chunks.iter().map(Vec::len).sum::<usize>(), 130_000);
    assert!(sizes.iter().all(|&bytes| bytes < 200 * 1_024), "{sizes:?}");
}
