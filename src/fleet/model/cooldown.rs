use navarch_proto::fleet::PoolSpec;

use crate::time::{LogTime, ms_or_zero};

/// Until when a pool is not scaled by load, up and down; none: nothing holds that way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cooldown {
    /// No step up before it.
    pub up: Option<LogTime>,
    /// No step down before it.
    pub down: Option<LogTime>,
}

impl Cooldown {
    /// After a change by load, up or down: either way waits for its own time, which is the pool's common one unless
    /// its configuration says another.
    pub(crate) fn begin(spec: &PoolSpec, now: LogTime) -> Self {
        let until = |own: Option<u64>| Some(now.plus_ms(own.unwrap_or(spec.cooldown_ms)));
        Self { up: until(spec.scale_up_cooldown_ms), down: until(spec.scale_down_cooldown_ms) }
    }

    /// Whether one deadline holds for both ways.
    pub fn is_common(self) -> bool {
        self.up == self.down
    }

    /// When the first way opens.
    pub fn earlier(self) -> Option<LogTime> {
        self.up.min(self.down)
    }

    /// When both ways are open.
    pub fn later(self) -> Option<LogTime> {
        self.up.max(self.down)
    }

    /// As records keep it: the later deadline, by which a reader goes that knows one only, and, where they differ, both.
    pub(crate) fn to_record(self) -> (u64, Option<u64>, Option<u64>) {
        let own = |at| (!self.is_common()).then_some(ms_or_zero(at));
        (ms_or_zero(self.later()), own(self.up), own(self.down))
    }

    /// The way back.
    pub(crate) fn from_record((common, up, down): (u64, Option<u64>, Option<u64>)) -> Self {
        let until = |own: Option<u64>| LogTime::optional(own.unwrap_or(common));
        Self { up: until(up), down: until(down) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a snapshot would lengthen or forget a cooldown, or an older build scale too early.
    #[test]
    fn records_keep_both_and_older_readers_the_later() {
        let at = |ms: u64| LogTime::optional(ms);
        for (up, down, common) in [(0, 0, 0), (5, 5, 5), (5, 9, 9), (9, 5, 9), (0, 7, 7), (7, 0, 7)]
        {
            let cooldown = Cooldown { up: at(up), down: at(down) };
            let record = cooldown.to_record();
            assert_eq!(record.0, common, "{up} {down}");
            assert_eq!(record.1.is_some(), up != down, "{up} {down}");
            assert_eq!(Cooldown::from_record(record), cooldown);
        }
        let older = Cooldown::from_record((5, None, None));
        assert_eq!((older.up, older.down, older.is_common()), (at(5), at(5), true));
    }

    /// Without it a pool that sets one key alone would lose the other way's cooldown.
    #[test]
    fn each_way_falls_back_to_the_common_time() {
        let now = LogTime::from_ms(1_000);
        for (up, down, expected) in [
            (None, None, (1_300, 1_300)),
            (Some(0), None, (1_000, 1_300)),
            (None, Some(900), (1_300, 1_900)),
            (Some(50), Some(900), (1_050, 1_900)),
        ] {
            let spec = PoolSpec {
                cooldown_ms: 300,
                scale_up_cooldown_ms: up,
                scale_down_cooldown_ms: down,
                ..PoolSpec::default()
            };
            let cooldown = Cooldown::begin(&spec, now);
            assert_eq!((ms_or_zero(cooldown.up), ms_or_zero(cooldown.down)), expected);
        }
    }
}
