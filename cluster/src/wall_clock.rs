use futures::{StreamExt as _, stream::FuturesUnordered};
use navarch_host::Moment;

use crate::{context::Context, replica_error::ReadError, transport::say_hello};

/// The lower median of the wall clocks of a majority of the voters, in milliseconds since the Unix epoch: one
/// clock that leaps moves it by nothing.
pub(crate) async fn majority_wall_clock(
    context: &Context,
    deadline: Moment,
) -> Result<u64, ReadError> {
    let stopping = || ReadError::Stopping;
    let running = context.running().ok_or_else(stopping)?;
    let stored = context.membership().ok_or_else(stopping)?;
    let own_id = running.identity.replica_id;
    let voters: Vec<u64> = stored.voter_ids().collect();
    let majority = voters.len() / 2 + 1;
    let mut clocks = Vec::new();
    let mut asked = FuturesUnordered::new();
    for id in voters {
        match stored.get_node(&id) {
            Some(_) if id == own_id => clocks.push(context.callers_clock.wall_ms()),
            Some(info) => asked.push(say_hello(context, &info.address)),
            None => {}
        }
    }
    let heard = async {
        while clocks.len() < majority {
            match asked.next().await {
                Some(Ok(hello)) => clocks.push(hello.wall_clock_ms),
                Some(Err(_)) => {}
                None => return false,
            }
        }
        true
    };
    match context.clock.timeout_at(deadline, heard).await {
        Ok(true) => {}
        Ok(false) | Err(_) => {
            return Err(ReadError::NoLeader {
                reason: format!("fewer than {majority} voters told their wall clocks"),
            });
        }
    }
    lower_median(clocks).ok_or_else(stopping)
}

fn lower_median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it one clock that leaps an hour ahead could move the group's time.
    #[test]
    fn one_wild_clock_does_not_move_the_median() {
        assert_eq!(lower_median(vec![]), None);
        assert_eq!(lower_median(vec![7]), Some(7));
        assert_eq!(lower_median(vec![3_600_000, 5]), Some(5));
        assert_eq!(lower_median(vec![3_600_000, 5, 6]), Some(6));
        assert_eq!(lower_median(vec![9, 3_600_000, 5, 6]), Some(6));
    }
}
