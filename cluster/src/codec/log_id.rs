use navarch_proto::peer;
use openraft::vote::RaftLeaderId as _;

use crate::types::{LeaderId, LogId, Vote};

pub(crate) fn encode_log_id(log_id: &LogId) -> peer::LogId {
    peer::LogId {
        term: log_id.leader_id.term,
        leader_id: log_id.leader_id.node_id,
        index: log_id.index,
    }
}

pub(crate) fn decode_log_id(message: &peer::LogId) -> LogId {
    LogId::new(LeaderId::new(message.term, message.leader_id), message.index)
}

pub(crate) fn encode_vote(vote: &Vote) -> peer::Vote {
    peer::Vote {
        term: vote.leader_id.term,
        replica_id: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(crate) fn decode_vote(message: &peer::Vote) -> Vote {
    Vote {
        leader_id: LeaderId::new(message.term, message.replica_id),
        committed: message.committed,
    }
}
