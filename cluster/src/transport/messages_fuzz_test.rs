//! What a peer sends that is no replica of ours, or has gone wrong.

use navarch_fuzz::Target;
use navarch_proto::peer;
use prost::Message as _;

use super::{
    messages::{
        decode_append, decode_append_result, decode_vote_request, decode_vote_response,
        encode_append,
    },
    snapshots,
};

fn id(index: u64) -> peer::LogId {
    peer::LogId { term: 3, leader_id: 1, index }
}

fn member(replica_id: u64) -> peer::Member {
    let info = peer::ReplicaInfo { name: format!("r{replica_id}"), ..Default::default() };
    peer::Member { replica_id, info: Some(info) }
}

fn append() -> peer::AppendCall {
    let set = |ids: &[u64]| peer::VoterSet { replica_ids: ids.to_vec() };
    let membership = peer::Membership {
        voter_sets: vec![set(&[1, 2]), set(&[2, 3])],
        members: (1..4).map(member).collect(),
    };
    let payloads = [
        peer::entry::Payload::Blank(peer::Blank {}),
        peer::entry::Payload::Normal(b"proposal".as_slice().into()),
        peer::entry::Payload::Membership(membership),
    ];
    let entries = (10..).zip(payloads).map(|(index, payload)| peer::Entry {
        term: 3,
        leader_id: 1,
        index,
        payload: Some(payload),
    });
    peer::AppendCall {
        envelope: None,
        vote: Some(peer::Vote { term: 3, replica_id: 1, committed: true }),
        previous_log_id: Some(id(9)),
        leader_commit: Some(id(8)),
        entries: entries.collect(),
    }
}

/// Without it one peer's message could end another replica.
#[test]
fn fuzz_calls_of_peers_are_decoded_or_refused() {
    Target::message("peer-append").seed(append().encode_to_vec()).check(|input| {
        let Ok(call) = peer::AppendCall::decode(input) else { return };
        let Ok(request) = decode_append(call) else { return };
        let again = encode_append(&request, None);
        assert_eq!(encode_append(&decode_append(again.clone()).unwrap(), None), again);
    });
    let append = append();
    let vote = peer::VoteCall {
        vote: append.vote,
        last_log_id: append.previous_log_id,
        ..Default::default()
    };
    Target::message("peer-vote").seed(vote.encode_to_vec()).check(|input| {
        if let Ok(call) = peer::VoteCall::decode(input) {
            let _ = decode_vote_request(&call);
        }
    });
}

/// Without it one peer's answer could end the replica that asked.
#[test]
fn fuzz_answers_of_peers_are_decoded_or_refused() {
    use peer::append_reply::Result as Answer;
    let vote = peer::Vote { term: 3, replica_id: 1, committed: true };
    let matched = peer::AppendMatch { log_id: Some(id(9)) };
    let answers = [Answer::Matched(matched), Answer::Conflict(id(9)), Answer::HigherVote(vote)];
    let answers = answers.map(|result| peer::AppendReply { result: Some(result) }.encode_to_vec());
    let vote = peer::VoteReply { vote: Some(vote), granted: true, last_log_id: Some(id(9)) };
    let target = answers.into_iter().fold(Target::message("peer-answer"), Target::seed);
    target.seed(vote.encode_to_vec()).check(|input| {
        if let Ok(reply) = peer::AppendReply::decode(input) {
            let _ = decode_append_result(&reply);
        }
        if let Ok(reply) = peer::VoteReply::decode(input) {
            let _ = decode_vote_response(&reply);
        }
        if let Ok(reply) = peer::SnapshotReply::decode(input) {
            let _ = snapshots::decode_reply(&reply);
        }
    });
}
