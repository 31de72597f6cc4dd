use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use navarch_host::Moment;

/// Nodes whose turns are remembered: as many as a large fleet has. Above that each is answered as if it asked for the
/// first time.
const MAX_REMEMBERED: usize = 200_000;
/// Who has not registered this long after its turn gets another: an agent of the old kind never does.
const MISSED: Duration = Duration::from_secs(60);
/// The farthest turn that is given; what beats even later than that is told to come then.
const HORIZON: Duration = Duration::from_secs(600);

/// When nodes that the records do not have should register, one behind the other, so that a group which lost
/// them is not met by all of them at once.
#[derive(Debug, Default)]
pub(super) struct RegisterPace(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    /// The first turn that nobody has yet.
    next: Option<Moment>,
    /// When those whose turns have passed were last let go of.
    swept: Option<Moment>,
    given: HashMap<String, Moment>,
}

impl RegisterPace {
    /// How long a node should wait before it registers, at `per_second` for all together; the same turn however
    /// often it asks.
    pub(super) fn turn(&self, node_id: &str, now: Moment, per_second: u32) -> Duration {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.given.get(node_id).filter(|turn| now.since(**turn) <= MISSED) {
            return turn.since(now);
        }
        let turn = turns.next.map_or(now, |next| if next > now { next } else { now });
        let turn = if turn.since(now) > HORIZON { now + HORIZON } else { turn };
        turns.next = Some(turn + Duration::from_secs(1) / per_second.max(1));
        let rested = turns.swept.is_none_or(|swept| now.since(swept) > MISSED);
        if turns.given.len() >= MAX_REMEMBERED && rested {
            turns.swept = Some(now);
            turns.given.retain(|_, turn| now.since(*turn) <= MISSED);
        }
        if turns.given.len() < MAX_REMEMBERED {
            turns.given.insert(node_id.to_owned(), turn);
        }
        turn.since(now)
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::{Clock, FakeClock};

    use super::*;

    /// Without it a whole fleet would register at once, or a node that beats meanwhile lose its turn.
    #[test]
    fn turns_come_at_the_pace() {
        let now = Clock::fake(FakeClock::new(0)).now();
        let pace = RegisterPace::default();
        let wait = |node: usize, after_ms: u64| {
            let now = now + Duration::from_millis(after_ms);
            pace.turn(&format!("n{node}"), now, 1_000).as_millis()
        };
        for node in 0..130_000 {
            assert_eq!(wait(node, 0), node as u128);
        }
        assert_eq!([wait(5_000, 2_000), wait(130_000, 2_000)], [3_000, 128_000]);
        // Its turn has passed a moment ago: it may come, without taking another's.
        assert_eq!([wait(1_000, 3_000), wait(130_001, 3_000)], [0, 127_001]);
        // It never came: the end of the line.
        assert_eq!(wait(0, 70_000), 130_002 - 70_000);
    }

    /// Without it agents that never register would grow the line until nobody else is let in.
    #[test]
    fn the_line_is_bounded() {
        let now = Clock::fake(FakeClock::new(0)).now();
        let pace = RegisterPace::default();
        let longest = (0..300_000).map(|node: u32| pace.turn(&node.to_string(), now, 100)).max();
        assert_eq!(longest, Some(HORIZON));
        assert_eq!(pace.0.lock().unwrap().given.len(), MAX_REMEMBERED);
    }
}
