use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use openraft::raft::VoteRequest;

use super::messages::AppendRequest;
use crate::types::{LeaderId, LogId, TypeConfig, Vote};

/// Which voters' logs ended as this replica's own did when they voted for it.
///
/// openraft looks for the last entry that a new leader and a follower have in common by halves, a call for each half, though
/// a voter says where its log ends. Whoever granted a vote has its log on disk up to there, and gives none of it up for
/// anybody but a later leader; so what such calls ask up to there is known.
#[derive(Default)]
pub(crate) struct VotersLogs(Mutex<BTreeMap<u64, VoterLog>>);

/// A voter's log, as it voted.
struct VoterLog {
    candidate: LeaderId,
    last: LogId,
}

impl VotersLogs {
    /// Notes that `voter` granted the vote that `request` asked for, and where its log ended.
    pub(crate) fn granted(
        &self,
        voter: u64,
        request: &VoteRequest<TypeConfig>,
        last: Option<LogId>,
    ) {
        let own = request.last_log_id;
        let alike = last.filter(|_| last == own);
        let log = alike.map(|last| VoterLog { candidate: leader_of(&request.vote), last });
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match log {
            Some(log) => logs.insert(voter, log),
            None => logs.remove(&voter),
        };
    }

    /// The entry before those of `request`, if it is known that `voter` has it and more: what the request asks is known then.
    pub(crate) fn known(&self, voter: u64, request: &AppendRequest) -> Option<LogId> {
        let prev = request.prev_log_id.filter(|_| !request.entries.is_empty())?;
        let logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.get(&voter)?;
        let known = log.candidate == leader_of(&request.vote) && prev.index < log.last.index;
        known.then_some(prev)
    }
}

fn leader_of(vote: &Vote) -> LeaderId {
    vote.leader_id
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::types::Entry;

    const CANDIDATE: LeaderId = LeaderId { term: 4, node_id: 2 };

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 3, node_id: 1 }, index)
    }

    fn request(leader_id: LeaderId, prev: u64, entries: u64) -> AppendRequest {
        let blank = |index| Entry { log_id: log_id(index), payload: EntryPayload::Blank };
        AppendRequest {
            vote: Vote { leader_id, committed: true },
            prev_log_id: Some(log_id(prev)),
            entries: (prev + 1..=prev + entries).map(blank).collect(),
            leader_commit: None,
        }
    }

    fn voted(logs: &VotersLogs, voter: u64, last: Option<LogId>) {
        let vote = Vote { leader_id: CANDIDATE, committed: false };
        logs.granted(voter, &VoteRequest::new(vote, Some(log_id(100))), last);
    }

    /// Without it a new leader would take for known what nobody told it, or ask for what every voter has told.
    #[test]
    fn what_a_voter_with_the_same_log_told_is_known() {
        let logs = VotersLogs::default();
        voted(&logs, 1, Some(log_id(100)));
        voted(&logs, 3, Some(log_id(99)));
        let known = |voter, request| logs.known(voter, &request).map(|known| known.index);
        assert_eq!(known(1, request(CANDIDATE, 48, 8)), Some(48));
        assert_eq!(known(1, request(CANDIDATE, 99, 1)), Some(99));
        // From here on there is something to append.
        assert_eq!(known(1, request(CANDIDATE, 100, 1)), None);
        // It tells what is committed.
        assert_eq!(known(1, request(CANDIDATE, 48, 0)), None);
        assert_eq!(known(3, request(CANDIDATE, 48, 8)), None, "its log ended elsewhere");
        assert_eq!(known(5, request(CANDIDATE, 48, 8)), None, "it did not vote");
        let later = LeaderId { term: 5, node_id: 2 };
        assert_eq!(known(1, request(later, 48, 8)), None, "that was another election");
        voted(&logs, 1, Some(log_id(99)));
        assert_eq!(known(1, request(CANDIDATE, 48, 8)), None, "the last word counts");
    }
}
