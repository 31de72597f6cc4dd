//! Raft's requests and answers as messages, in both directions.

use navarch_proto::peer::{self, append_reply};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, VoteRequest, VoteResponse,
};

use crate::{
    codec::{
        CodecError, decode_entry, decode_log_id, decode_vote, encode_entry, encode_log_id,
        encode_vote,
    },
    types::{LogId, TypeConfig, Vote},
};

pub(crate) type AppendRequest = AppendEntriesRequest<TypeConfig>;
pub(crate) type AppendResponse = AppendEntriesResponse<TypeConfig>;
/// How far one streamed append got: the last entry that both sides share.
pub(crate) type AppendResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

pub(crate) fn encode_append(
    request: &AppendRequest,
    envelope: Option<peer::Envelope>,
) -> peer::AppendCall {
    peer::AppendCall {
        envelope,
        vote: Some(encode_vote(&request.vote)),
        previous_log_id: request.prev_log_id.as_ref().map(encode_log_id),
        leader_commit: request.leader_commit.as_ref().map(encode_log_id),
        entries: request.entries.iter().map(encode_entry).collect(),
    }
}

pub(crate) fn decode_append(call: peer::AppendCall) -> Result<AppendRequest, CodecError> {
    let entries = call.entries.into_iter().map(decode_entry);
    Ok(AppendRequest {
        vote: required_vote(call.vote.as_ref(), "append")?,
        prev_log_id: call.previous_log_id.as_ref().map(decode_log_id),
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: call.leader_commit.as_ref().map(decode_log_id),
    })
}

/// The last entry that a successful append makes the same on both sides.
pub(crate) fn last_of(request: &AppendRequest) -> Option<LogId> {
    let last = request.entries.last().map(|entry| entry.log_id);
    last.or(request.prev_log_id)
}

pub(crate) fn encode_append_result(result: AppendResult) -> peer::AppendReply {
    let result = match result {
        Ok(matched) => append_reply::Result::Matched(peer::AppendMatch {
            log_id: matched.as_ref().map(encode_log_id),
        }),
        Err(StreamAppendError::Conflict(log_id)) => {
            append_reply::Result::Conflict(encode_log_id(&log_id))
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            append_reply::Result::HigherVote(encode_vote(&vote))
        }
    };
    peer::AppendReply { result: Some(result) }
}

pub(crate) fn decode_append_result(reply: &peer::AppendReply) -> Result<AppendResult, CodecError> {
    match &reply.result {
        Some(append_reply::Result::Matched(matched)) => {
            Ok(Ok(matched.log_id.as_ref().map(decode_log_id)))
        }
        Some(append_reply::Result::Conflict(log_id)) => {
            Ok(Err(StreamAppendError::Conflict(decode_log_id(log_id))))
        }
        Some(append_reply::Result::HigherVote(vote)) => {
            Ok(Err(StreamAppendError::HigherVote(decode_vote(vote))))
        }
        None => Err(CodecError::Missing { message: "append reply", field: "result" }),
    }
}

/// The answer to a single append that would have made `sent` the last shared entry.
pub(crate) fn append_response(result: AppendResult, sent: Option<LogId>) -> AppendResponse {
    match result {
        Ok(matched) if matched == sent => AppendResponse::Success,
        Ok(matched) => AppendResponse::PartialSuccess(matched),
        Err(StreamAppendError::Conflict(_)) => AppendResponse::Conflict,
        Err(StreamAppendError::HigherVote(vote)) => AppendResponse::HigherVote(vote),
    }
}

pub(crate) fn encode_vote_request(
    request: &VoteRequest<TypeConfig>,
    envelope: peer::Envelope,
) -> peer::VoteCall {
    peer::VoteCall {
        envelope: Some(envelope),
        vote: Some(encode_vote(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(encode_log_id),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(crate) fn decode_vote_request(
    call: &peer::VoteCall,
) -> Result<VoteRequest<TypeConfig>, CodecError> {
    Ok(VoteRequest {
        vote: required_vote(call.vote.as_ref(), "vote request")?,
        last_log_id: call.last_log_id.as_ref().map(decode_log_id),
        leadership_transfer: call.leadership_transfer,
    })
}

pub(crate) fn encode_vote_response(response: &VoteResponse<TypeConfig>) -> peer::VoteReply {
    peer::VoteReply {
        vote: Some(encode_vote(&response.vote)),
        granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(encode_log_id),
    }
}

pub(crate) fn decode_vote_response(
    reply: &peer::VoteReply,
) -> Result<VoteResponse<TypeConfig>, CodecError> {
    Ok(VoteResponse {
        vote: required_vote(reply.vote.as_ref(), "vote reply")?,
        vote_granted: reply.granted,
        last_log_id: reply.last_log_id.as_ref().map(decode_log_id),
    })
}

pub(crate) fn required_vote(
    vote: Option<&peer::Vote>,
    message: &'static str,
) -> Result<Vote, CodecError> {
    vote.map(decode_vote).ok_or(CodecError::Missing { message, field: "vote" })
}
